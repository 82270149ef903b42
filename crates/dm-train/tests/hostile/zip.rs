//! A writer of zip archives whose members are stored without compression, with every checksum correct.

/// An archive of `members`: names and contents.
pub fn zip(members: &[(&str, &[u8])]) -> Vec<u8> {
    let (mut bytes, mut directory) = (Vec::new(), Vec::new());
    let number = |value: usize| (value as u32).to_le_bytes();
    for (name, content) in members {
        let mut crc = flate2::Crc::new();
        crc.update(content);
        // Version, flags, method (stored), time, date; then checksum, sizes and lengths.
        let size = number(content.len());
        let lengths = number(name.len());
        let common =
            [&[20, 0, 0, 0, 0, 0, 0, 0, 0x21, 0][..], &crc.sum().to_le_bytes(), &size, &size, &lengths]
                .concat();
        directory.extend(
            [b"PK\x01\x02\x14\0", &common[..], &[0; 10], &number(bytes.len()), name.as_bytes()].concat(),
        );
        bytes.extend([b"PK\x03\x04", &common[..], name.as_bytes(), content].concat());
    }
    let count = (members.len() as u16).to_le_bytes();
    let end =
        [b"PK\x05\x06\0\0\0\0", &count[..], &count, &number(directory.len()), &number(bytes.len()), &[0, 0]];
    [&bytes[..], &directory, &end.concat()].concat()
}
