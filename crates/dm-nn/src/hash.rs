//! SHA-256 of bytes and files, in hexadecimal.

use std::io::Read;
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::error::{Error, Result};

/// The SHA-256 of `bytes` as 64 hexadecimal digits.
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// The SHA-256 of `parts`, one after the other, as 64 hexadecimal digits.
pub(crate) fn sha256_of(parts: &[&[u8]]) -> String {
    let mut hash = Sha256::new();
    parts.iter().for_each(|part| hash.update(part));
    hex(&hash.finalize())
}

/// The SHA-256 of bytes that arrive in parts.
#[derive(Clone, Debug, Default)]
pub struct PartHash(Sha256);

impl PartHash {
    /// Adds the next bytes.
    pub fn add(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The SHA-256 of all bytes as 64 hexadecimal digits.
    pub fn hex(self) -> String {
        hex(&self.0.finalize())
    }
}

/// The SHA-256 of the file at `path` as 64 hexadecimal digits. The file is read in pieces.
///
/// # Errors
/// If reading fails.
pub fn sha256_file(path: &Path) -> Result<String> {
    let io = |e| Error::io(path, e);
    let mut file = std::fs::File::open(path).map_err(io)?;
    let (mut hash, mut piece) = (PartHash::default(), vec![0; 1 << 16]);
    loop {
        let count = file.read(&mut piece).map_err(io)?;
        if count == 0 {
            return Ok(hash.hex());
        }
        hash.add(piece.get(..count).unwrap_or_default());
    }
}

fn hex(digest: &[u8]) -> String {
    digest.iter().fold(String::with_capacity(2 * digest.len()), |mut hex, byte| {
        use std::fmt::Write;
        // Writing to a string cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
