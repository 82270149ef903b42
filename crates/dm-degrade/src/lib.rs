//! dm-degrade
