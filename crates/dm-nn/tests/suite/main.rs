//! The integration tests in one program, which compiles once and runs them side by side.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod data;
mod determinism;
mod engine;
mod image_file;
mod image_folder;
mod networks;
mod npz;
mod other_programs;
mod planes;
mod pth;
mod ref_cnn_parity;
mod sample_set;
