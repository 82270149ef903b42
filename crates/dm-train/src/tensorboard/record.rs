//! TFRecord framing: each record is its length, a checksum of the length, its bytes, and a checksum of the bytes.
//!
//! Source: TensorFlow, `tensorflow/core/lib/io/record_writer.h`. Numbers are little endian.

/// The Castagnoli polynomial with its bits reversed.
const POLYNOMIAL: u32 = 0x82F6_3B78;
/// What TensorFlow adds to a rotated checksum.
const MASK_DELTA: u32 = 0xA282_EAD8;

/// `data` as one record.
pub(super) fn frame(data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u64).to_le_bytes();
    [&length[..], &masked_crc32c(&length).to_le_bytes(), data, &masked_crc32c(data).to_le_bytes()].concat()
}

/// The checksum that TFRecord stores. It is masked because the CRC of data that contain a CRC is weak.
fn masked_crc32c(data: &[u8]) -> u32 {
    crc32c(data).rotate_right(15).wrapping_add(MASK_DELTA)
}

/// CRC-32C, one byte at a time.
fn crc32c(data: &[u8]) -> u32 {
    static TABLE: [u32; 256] = table();
    let step = |crc: u32, &byte: &u8| TABLE[usize::from(crc as u8 ^ byte)] ^ (crc >> 8);
    !data.iter().fold(!0, step)
}

/// The CRC of each byte.
const fn table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ POLYNOMIAL } else { crc >> 1 };
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Check values of RFC 3720, appendix B.4, and of the catalogue of CRC algorithms.
    #[test]
    fn checksums_are_those_of_the_standard() {
        assert_eq!(crc32c(b"123456789"), 0xE306_9283);
        assert_eq!(crc32c(&[0; 32]), 0x8A91_36AA);
        assert_eq!(crc32c(&[0xFF; 32]), 0x62A8_AB43);
    }

    #[test]
    fn a_record_is_its_data_between_length_and_checksums() {
        let record = frame(b"abc");
        assert_eq!(record.len(), 8 + 4 + 3 + 4);
        assert_eq!((&record[..8], &record[12..15]), (&3u64.to_le_bytes()[..], &b"abc"[..]));
    }
}
