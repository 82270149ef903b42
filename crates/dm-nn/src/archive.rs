//! Zip archives of unknown origin: .npz files and PyTorch checkpoints.
//!
//! Members are found by their names and unpacked into memory. No member becomes a file, so a name such as `../x` has no
//! effect. The `zip` crate reserves memory for as many members as a header claims; this reader never does. Its list of
//! members takes at most 16 times the memory of the file's own list, which takes at most [`MAX_DIRECTORY`].
//!
//! Source: PKWARE's APPNOTE.TXT 6.3.9, sections 4.3 and 4.5.3. Members are stored or deflated; every other method,
//! encryption and archives of several parts are refused.

#![warn(clippy::indexing_slicing)]

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use flate2::Crc;
use flate2::read::DeflateDecoder;

use crate::error::{Error, Result};
use crate::file_kind::{PREFIX, mistaken_kind};

/// The longest list of members that is read: 16 MiB, enough for 100,000 members.
const MAX_DIRECTORY: u64 = 16 << 20;
/// Bytes of the end record without its comment, and the longest comment.
const END_RECORD: usize = 22;
const MAX_COMMENT: usize = 1 << 16;
/// Bytes of the other records without names and extra fields.
const LOCATOR_64: u64 = 20;
const END_RECORD_64: usize = 56;
const DIRECTORY_ENTRY: usize = 46;
const LOCAL_HEADER: usize = 30;

/// An open archive.
pub(crate) struct Archive<'a> {
    path: &'a Path,
    /// Description of the expected file, for error messages.
    expected: &'a str,
    file: File,
    members: BTreeMap<String, Member>,
}

/// The position of a member in the file, and how the member is packed.
#[derive(Clone, Copy, Debug)]
struct Member {
    flags: u16,
    /// Compression method: 0 for stored, 8 for deflate.
    method: u16,
    crc: u32,
    /// Bytes of the content in the file.
    packed: u64,
    /// Bytes of the content after unpacking.
    unpacked: u64,
    /// Position of the local header, which precedes the content.
    header: u64,
}

/// Position and length of the list of members (the central directory).
struct Directory {
    start: u64,
    length: u64,
    count: u64,
}

impl<'a> Archive<'a> {
    /// Opens the archive at `path`. `expected` describes the expected file in error messages, and `other_kind` recognizes
    /// files of other formats by their first bytes.
    ///
    /// # Errors
    /// If reading fails, or the file is not a zip archive.
    pub fn open(
        path: &'a Path,
        expected: &'a str,
        other_kind: fn(&[u8]) -> Option<&'static str>,
    ) -> Result<Self> {
        let io = |e| Error::io(path, e);
        let mut file = File::open(path).map_err(io)?;
        let mut start = Vec::new();
        file.by_ref().take(PREFIX as u64).read_to_end(&mut start).map_err(io)?;
        if let Some(kind) = mistaken_kind(&start).or_else(|| other_kind(&start)) {
            return Err(Error::format(path, "format", kind, expected));
        }
        let mut archive = Self { path, expected, file, members: BTreeMap::new() };
        archive.read_directory()?;
        Ok(archive)
    }

    /// The path of the archive.
    pub fn path(&self) -> &'a Path {
        self.path
    }

    /// The names of the members, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.members.keys().map(String::as_str)
    }

    /// A reader of the unpacked content of the member `name`. The reader checks length and CRC-32 when it reaches the end of
    /// the content, so callers must read to the end.
    ///
    /// # Errors
    /// If there is no such member, or it cannot be unpacked.
    pub fn member(&mut self, name: &str) -> Result<impl Read + '_> {
        let path = self.path;
        let bad = |found: &str, expected: &str| Error::format(path, format!("`{name}`"), found, expected);
        let Some(&member) = self.members.get(name) else {
            return Err(bad("no such member", "a member of this name"));
        };
        if member.flags & 1 != 0 {
            return Err(bad("an encrypted member", "a member without encryption"));
        }
        if !matches!(member.method, 0 | 8) {
            return Err(bad(&format!("compression method {}", member.method), "0 (stored) or 8 (deflate)"));
        }
        let header = self.bytes(member.header, LOCAL_HEADER)?;
        let header = Fields(&header);
        if header.u32(0) != Some(0x0403_4b50) {
            return Err(bad("no local header", "a complete archive"));
        }
        let extra = u64::from(header.u16(0x1a).unwrap_or(0)) + u64::from(header.u16(0x1c).unwrap_or(0));
        let data = member.header.saturating_add(LOCAL_HEADER as u64).saturating_add(extra);
        self.file.seek(SeekFrom::Start(data)).map_err(|e| Error::io(path, e))?;
        let packed = BufReader::new((&self.file).take(member.packed));
        let content: Box<dyn Read> =
            if member.method == 0 { Box::new(packed) } else { Box::new(DeflateDecoder::new(packed)) };
        Ok(Checked { content, crc: Crc::new(), left: member.unpacked, expected: member.crc })
    }

    fn bad(&self, found: impl ToString) -> Error {
        Error::format(self.path, "archive", found, self.expected)
    }

    /// Reads `count` bytes of the file from position `start` on.
    fn bytes(&mut self, start: u64, count: usize) -> Result<Vec<u8>> {
        // Grows with what the file delivers: a damaged record may claim any length.
        let mut bytes = Vec::new();
        let read = |file: &mut File, bytes: &mut Vec<u8>| {
            file.seek(SeekFrom::Start(start))?;
            file.take(count as u64).read_to_end(bytes)
        };
        read(&mut self.file, &mut bytes).map_err(|e| Error::io(self.path, e))?;
        if bytes.len() < count {
            return Err(self.bad(format!("the end of the file within a record at byte {start}")));
        }
        Ok(bytes)
    }

    fn read_directory(&mut self) -> Result<()> {
        let Directory { start, length, count } = self.find_directory()?;
        if length > MAX_DIRECTORY || count > length / DIRECTORY_ENTRY as u64 {
            let found =
                format!("a list of {count} members in {length} bytes (at most {MAX_DIRECTORY} are read)");
            return Err(self.bad(found));
        }
        let bytes = self.bytes(start, length as usize)?;
        let mut rest = bytes.as_slice();
        for i in 0..count {
            let Some((name, member, next)) = entry(rest) else {
                return Err(self.bad(format!("a damaged list of members (entry {i})")));
            };
            let name = String::from_utf8_lossy(name).into_owned();
            if self.members.insert(name.clone(), member).is_some() {
                return Err(self.bad(format!("two members named `{name}`")));
            }
            rest = next;
        }
        Ok(())
    }

    /// Finds the list of members through the end record, or that of the 64-bit extension where there is one.
    fn find_directory(&mut self) -> Result<Directory> {
        let size = self.file.metadata().map_err(|e| Error::io(self.path, e))?.len();
        let tail = size.min((END_RECORD + MAX_COMMENT) as u64);
        let tail_start = size - tail;
        let bytes = self.bytes(tail_start, tail as usize)?;
        let is_end = |at: &usize| {
            let record = Fields(bytes.get(*at..).unwrap_or_default());
            let comment = record.u16(0x14).map(usize::from);
            record.u32(0) == Some(0x0605_4b50) && comment == bytes.len().checked_sub(at + END_RECORD)
        };
        let Some(at) = (0..bytes.len()).rev().find(is_end) else {
            return Err(self.bad("no end record of a zip archive: another format, or a truncated file"));
        };
        let record = Fields(bytes.get(at..).unwrap_or_default());
        let end = tail_start + at as u64;
        let (count, length, start) = (record.u16(0x0a), record.u32(0x0c), record.u32(0x10));
        let (Some(count), Some(length), Some(start)) = (count, length, start) else {
            return Err(self.bad("a damaged end record"));
        };
        if let Some(directory) = self.find_directory_64(end)? {
            return Ok(directory);
        }
        Ok(Directory { start: start.into(), length: length.into(), count: count.into() })
    }

    /// The list of members according to the 64-bit records before the end record at `end`, if there are any.
    fn find_directory_64(&mut self, end: u64) -> Result<Option<Directory>> {
        let Some(locator) = end.checked_sub(LOCATOR_64) else { return Ok(None) };
        let locator = self.bytes(locator, LOCATOR_64 as usize)?;
        let locator = Fields(&locator);
        let Some(record) = locator.u64(0x08).filter(|_| locator.u32(0) == Some(0x0706_4b50)) else {
            return Ok(None);
        };
        let record = self.bytes(record, END_RECORD_64)?;
        let record = Fields(&record);
        match (record.u32(0), record.u64(0x20), record.u64(0x28), record.u64(0x30)) {
            (Some(0x0606_4b50), Some(count), Some(length), Some(start)) => {
                Ok(Some(Directory { start, length, count }))
            }
            _ => Err(self.bad("a damaged 64-bit end record")),
        }
    }
}

/// Parses the first entry of a list of members: the name of the member, the member, and the rest of the list.
fn entry(list: &[u8]) -> Option<(&[u8], Member, &[u8])> {
    let (fixed, rest) = list.split_at_checked(DIRECTORY_ENTRY)?;
    let fixed = Fields(fixed);
    if fixed.u32(0)? != 0x0201_4b50 {
        return None;
    }
    let (name, rest) = rest.split_at_checked(fixed.u16(0x1c)?.into())?;
    let (extra, rest) = rest.split_at_checked(fixed.u16(0x1e)?.into())?;
    let (_, rest) = rest.split_at_checked(fixed.u16(0x20)?.into())?;
    // A number that does not fit into 32 bits is all ones here. Its 64-bit value follows in an extra field, in this order.
    let mut wide = extra_64(extra).chunks_exact(8);
    let mut number = |narrow: u32| {
        if narrow == u32::MAX { Fields(wide.next()?).u64(0) } else { Some(u64::from(narrow)) }
    };
    let (unpacked, packed, header) =
        (number(fixed.u32(0x18)?)?, number(fixed.u32(0x14)?)?, number(fixed.u32(0x2a)?)?);
    let member = Member {
        flags: fixed.u16(0x08)?,
        method: fixed.u16(0x0a)?,
        crc: fixed.u32(0x10)?,
        packed,
        unpacked,
        header,
    };
    Some((name, member, rest))
}

/// The extra field with 64-bit numbers; empty if there is none.
fn extra_64(mut extra: &[u8]) -> &[u8] {
    while let Some((head, rest)) = extra.split_at_checked(4) {
        let head = Fields(head);
        let length = head.u16(2).map_or(0, usize::from);
        let Some((field, next)) = rest.split_at_checked(length) else { break };
        if head.u16(0) == Some(1) {
            return field;
        }
        extra = next;
    }
    &[]
}

/// Little-endian numbers in a record; `None` beyond its end.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn array<const N: usize>(&self, at: usize) -> Option<[u8; N]> {
        self.0.get(at..)?.first_chunk().copied()
    }

    fn u16(&self, at: usize) -> Option<u16> {
        self.array(at).map(u16::from_le_bytes)
    }

    fn u32(&self, at: usize) -> Option<u32> {
        self.array(at).map(u32::from_le_bytes)
    }

    fn u64(&self, at: usize) -> Option<u64> {
        self.array(at).map(u64::from_le_bytes)
    }
}

/// Reads the content of a member. At the end, length and CRC-32 are compared with the recorded values.
struct Checked<R> {
    content: R,
    crc: Crc,
    left: u64,
    expected: u32,
}

impl<R: Read> Read for Checked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let wrong = |message: &str| Err(io::Error::new(io::ErrorKind::InvalidData, message));
        let count = self.content.read(buffer)?;
        let Some(left) = self.left.checked_sub(count as u64) else {
            return wrong("a member that is longer than recorded");
        };
        self.left = left;
        self.crc.update(buffer.get(..count).unwrap_or_default());
        if count == 0 && left > 0 {
            return wrong("a member that is shorter than recorded");
        }
        if count == 0 && self.crc.sum() != self.expected {
            return wrong("a damaged member: its CRC-32 is not the recorded one");
        }
        Ok(count)
    }
}
