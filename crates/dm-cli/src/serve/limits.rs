//! The bounds of everything that a client may ask for.

use std::time::Duration;

/// Connections that are open at the same time. Others wait in the system's backlog.
pub const CONNECTIONS: usize = 512;
/// How long a connection may stay without a byte in either direction.
pub const IDLE: Duration = Duration::from_secs(90);
/// Size of a request's body in bytes.
pub const BODY: usize = 192 * 1024;
/// How long a body may take to arrive.
pub const BODY_TIME: Duration = Duration::from_secs(10);
/// Films that compute at the same time, at most; never more than there are cores.
pub const FILMS: usize = 4;
/// Films that wait for their turn, or whose clients have not read them yet.
pub const WAITING_FILMS: usize = 12;
/// Short computations that run at the same time, and those that wait.
pub const SHORT: (usize, usize) = (2, 64);
/// Images of a film.
pub const IMAGES: usize = 64;
/// Network evaluations per image.
pub const NFE: usize = 1000;
/// Work of a film: images, times network evaluations per image, times values per image.
pub const WORK: usize = 6400 * 28 * 28;
/// Frames of a film.
pub const FRAMES: usize = 61;
/// Bytes of all frames of a film.
pub const FILM_BYTES: usize = 4 * 1024 * 1024;
/// Timesteps of a degradation, which keeps a table for each of them.
pub const TIMESTEPS: usize = 1000;
/// Timesteps at which a degraded image is shown.
pub const SHOWN: usize = 41;
/// The largest seed: numbers in JavaScript are exact up to 2^53.
pub const SEED: u64 = (1 << 53) - 1;
/// Finished films that are kept for downloads, and degradations and models that are kept in memory.
pub const KEPT: usize = 8;
/// How long a list of runs is used before the folders are read again.
pub const FRESH: Duration = Duration::from_secs(1);
/// How long the server waits for open requests after Ctrl-C.
pub const GRACE: Duration = Duration::from_millis(800);
