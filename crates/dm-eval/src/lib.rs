//! dm-eval
