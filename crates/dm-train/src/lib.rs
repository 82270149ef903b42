//! dm-train
