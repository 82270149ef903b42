//! The .npy format of NumPy arrays: a strict parser of its header.
//!
//! A .npy file consists of the magic bytes `\x93NUMPY`, a version, the length of the header, the header (a Python
//! dictionary as text), and the items. Only arrays of integers in C order are accepted. Object arrays contain pickled
//! Python objects; they are refused and never unpickled.

use std::io::Read;

/// The longest header that is read, in bytes.
const MAX_HEADER: usize = 1 << 16;
/// The largest number of bytes of an array: 4 GiB.
const MAX_ITEMS: usize = 4 << 30;

/// An array of integers.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Npy {
    /// Type of the items.
    pub item: Item,
    /// Sizes of the dimensions, the slowest first.
    pub shape: Vec<usize>,
    /// The items in row-major order.
    pub items: Vec<u8>,
}

/// An integer type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Item {
    /// Bytes of one item: 1, 2, 4 or 8.
    pub size: usize,
    /// Whether items may be negative.
    pub signed: bool,
    /// Whether the most significant byte comes first.
    pub big_endian: bool,
}

/// An error in an array: the field, what was found, and what was expected.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Problem {
    pub field: &'static str,
    pub found: String,
    pub expected: String,
}

fn problem(field: &'static str, found: impl ToString, expected: impl ToString) -> Problem {
    Problem { field, found: found.to_string(), expected: expected.to_string() }
}

impl Npy {
    /// Reads a .npy file to its end. Returns the array and the result of `check`, which is called with type and shape before
    /// the items are read. The items take no more memory than the header states and than the file delivers.
    pub fn read<T>(
        file: &mut dyn Read,
        check: impl FnOnce(Item, &[usize]) -> Result<T, Problem>,
    ) -> Result<(T, Self), Problem> {
        let (item, shape) = Header { rest: &read_header(file)? }.parse()?;
        let checked = check(item, &shape)?;
        let size = shape.iter().try_fold(item.size, |n, &d| n.checked_mul(d));
        let Some(size) = size.filter(|&size| size <= MAX_ITEMS) else {
            return Err(problem(
                "shape",
                format!("{shape:?}"),
                format!("items of at most {MAX_ITEMS} bytes"),
            ));
        };
        let mut items = Vec::new();
        // Reading one byte more than expected reveals a longer file and reaches the end of any other file.
        file.take(size as u64 + 1)
            .read_to_end(&mut items)
            .map_err(|e| problem("items", e, "a complete array"))?;
        if items.len() != size {
            let more = if items.len() > size { "more than " } else { "" };
            let expected = format!("{} bytes for each item of the shape {shape:?} in the header", item.size);
            return Err(problem("items", format!("{more}{} bytes", items.len().min(size)), expected));
        }
        Ok((checked, Self { item, shape, items }))
    }

    /// The items as integers.
    pub fn integers(&self) -> impl Iterator<Item = i128> + '_ {
        let Item { size, signed, big_endian } = self.item;
        self.items.chunks_exact(size).map(move |bytes| {
            let digit = |value: u64, &byte: &u8| value << 8 | u64::from(byte);
            let value =
                if big_endian { bytes.iter().fold(0, digit) } else { bytes.iter().rev().fold(0, digit) };
            let unused = 64 - 8 * size as u32;
            if signed { i128::from((value << unused).cast_signed() >> unused) } else { i128::from(value) }
        })
    }
}

/// Everything before the items of a .npy file of version 1; `descr` is NumPy's name of the item type.
pub(super) fn header(descr: &str, shape: &[usize]) -> Vec<u8> {
    let sizes = shape.iter().fold(String::new(), |sizes, size| sizes + &size.to_string() + ", ");
    let mut header =
        format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({}), }}", sizes.trim_end());
    // Magic number, version and length take 10 bytes; the items begin at a multiple of 64.
    let padding = 63 - (10 + header.len()) % 64;
    header.extend(std::iter::repeat_n(' ', padding));
    header.push('\n');
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes
}

/// Reads the header's text.
fn read_header(file: &mut dyn Read) -> Result<String, Problem> {
    let magic = |found: String| problem("magic number", found, "a .npy array (\\x93NUMPY and a version)");
    let start: [u8; 8] = read_array(file).map_err(|found| magic(found.to_owned()))?;
    let length = match start {
        [0x93, b'N', b'U', b'M', b'P', b'Y', 1, _] => {
            read_array(file).map(|bytes| usize::from(u16::from_le_bytes(bytes)))
        }
        [0x93, b'N', b'U', b'M', b'P', b'Y', 2 | 3, _] => {
            read_array(file).map(|bytes| u32::from_le_bytes(bytes) as usize)
        }
        [0x93, b'N', b'U', b'M', b'P', b'Y', version @ ..] => {
            return Err(magic(format!("version {version:?}")));
        }
        _ => return Err(magic("another format".to_owned())),
    };
    let length = length.map_err(|found| problem("header", found, "its length"))?;
    if length > MAX_HEADER {
        return Err(problem("header", format!("{length} bytes"), format!("at most {MAX_HEADER} bytes")));
    }
    let mut header = Vec::new();
    file.take(length as u64)
        .read_to_end(&mut header)
        .map_err(|e| problem("header", e, "a complete array"))?;
    if header.len() < length {
        return Err(problem("header", format!("{} bytes", header.len()), format!("{length} bytes")));
    }
    String::from_utf8(header).map_err(|e| problem("header", e, "text"))
}

/// The next `N` bytes of `file`, or what was found instead.
fn read_array<const N: usize>(file: &mut dyn Read) -> Result<[u8; N], &'static str> {
    let mut bytes = [0; N];
    match file.read_exact(&mut bytes) {
        Ok(()) => Ok(bytes),
        Err(_) => Err("the end of the array"),
    }
}

/// A parser of the header's dictionary, for example `{'descr': '<i8', 'fortran_order': False, 'shape': (5, 1), }`.
struct Header<'a> {
    rest: &'a str,
}

impl<'a> Header<'a> {
    fn parse(mut self) -> Result<(Item, Vec<usize>), Problem> {
        let (mut item, mut shape, mut c_order) = (None, None, false);
        self.expect("{")?;
        while !self.accept("}") {
            let key = self.string()?;
            self.expect(":")?;
            match key {
                "descr" => item = Some(self.descr()?),
                "fortran_order" if self.accept("False") => c_order = true,
                "fortran_order" => {
                    return Err(problem("fortran_order", "True", "False (numpy.ascontiguousarray)"));
                }
                "shape" => shape = Some(self.shape()?),
                _ => {
                    return Err(problem("header", format!("the key {key:?}"), "descr, fortran_order, shape"));
                }
            }
            if !self.accept(",") {
                self.expect("}")?;
                break;
            }
        }
        match (item, shape, self.rest.trim()) {
            (Some(item), Some(shape), "") if c_order => Ok((item, shape)),
            _ => Err(problem("header", "an incomplete dictionary", "descr, fortran_order, shape")),
        }
    }

    /// Whether `token` comes next. If so, the token is consumed.
    fn accept(&mut self, token: &str) -> bool {
        let rest = self.rest.trim_start().strip_prefix(token);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn expect(&mut self, token: &str) -> Result<(), Problem> {
        if self.accept(token) {
            return Ok(());
        }
        let found: String = self.rest.trim_start().chars().take(20).collect();
        Err(problem("header", format!("{found:?}"), format!("{token:?} of a Python dictionary")))
    }

    fn string(&mut self) -> Result<&'a str, Problem> {
        self.expect("'")?;
        let Some((text, rest)) = self.rest.split_once('\'') else {
            return Err(problem("header", "a string without an end", "a quoted string"));
        };
        self.rest = rest;
        Ok(text)
    }

    fn descr(&mut self) -> Result<Item, Problem> {
        if self.rest.trim_start().starts_with('[') {
            return Err(problem("dtype", "a structured type", "an integer type"));
        }
        let descr = self.string()?;
        let (order, kind) = descr.split_at_checked(1).unwrap_or_default();
        let size = match kind.get(1..) {
            Some("1") => 1,
            Some("2") => 2,
            Some("4") => 4,
            Some("8") => 8,
            _ => 0,
        };
        match kind.chars().next() {
            Some(sign @ ('u' | 'i')) if size > 0 && matches!(order, "<" | ">" | "|" | "=") => {
                Ok(Item { size, signed: sign == 'i', big_endian: order == ">" })
            }
            Some('O') => Err(problem(
                "dtype",
                "Python objects",
                "an array of integers (pickled objects are never executed)",
            )),
            Some('f') => Err(problem(
                "dtype",
                format!("floats ({descr})"),
                "uint8 (for values in [0, 1]: `(255 * x).round().astype('uint8')`)",
            )),
            _ => Err(problem("dtype", descr, "an integer type")),
        }
    }

    fn shape(&mut self) -> Result<Vec<usize>, Problem> {
        let mut shape = Vec::new();
        self.expect("(")?;
        while !self.accept(")") {
            let text = self.rest.trim_start();
            let digits = text.bytes().take_while(u8::is_ascii_digit).count();
            let (digits, rest) = text.split_at_checked(digits).unwrap_or((text, ""));
            let size = digits.parse().map_err(|e| problem("shape", e, "a tuple of numbers"))?;
            shape.push(size);
            self.rest = rest;
            if !self.accept(",") {
                self.expect(")")?;
                break;
            }
        }
        Ok(shape)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A .npy file of version 1.
    fn npy(header: &str, items: &[u8]) -> Vec<u8> {
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((header.len() as u16).to_le_bytes());
        bytes.extend(header.as_bytes());
        bytes.extend(items);
        bytes
    }

    fn parse(mut bytes: &[u8]) -> Result<Npy, Problem> {
        Npy::read(&mut bytes, |_, _| Ok(())).map(|((), array)| array)
    }

    #[test]
    fn integers_of_every_type_are_read() {
        for (descr, items, expected) in [
            ("|u1", vec![0, 255], [0, 255]),
            ("|i1", vec![255, 127], [-1, 127]),
            ("<u2", vec![1, 2, 255, 255], [513, 65_535]),
            (">u2", vec![1, 2, 0, 9], [258, 9]),
            ("<i4", vec![254, 255, 255, 255, 3, 0, 0, 0], [-2, 3]),
            (">i8", [[0; 7].as_slice(), &[7], &[255; 8]].concat(), [7, -1]),
            ("<u8", [[255; 8].as_slice(), &[1], &[0; 7]].concat(), [i128::from(u64::MAX), 1]),
        ] {
            let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': (2,), }}   \n");
            let bytes = npy(&header, &items);
            let array = parse(&bytes).unwrap();
            assert_eq!(array.shape, [2]);
            assert!(array.integers().eq(expected), "{descr}");
        }
    }

    #[test]
    fn errors_about_unsupported_arrays_name_the_reason() {
        let header = |descr: &str, order: &str, shape: &str| {
            format!("{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}")
        };
        for (header, expected) in [
            (header("'|O'", "False", "(1,)"), "pickled objects are never executed"),
            (header("'<f4'", "False", "(1,)"), "astype('uint8')"),
            (header("'|b1'", "False", "(1,)"), "an integer type"),
            (header("[('a', '<i4')]", "False", "(1,)"), "an integer type"),
            (header("'|u1'", "True", "(1,)"), "ascontiguousarray"),
            (header("'|u1'", "False", "(9999999999999999999999,)"), "a tuple of numbers"),
            (header("'|u1'", "False", "(4294967296, 4294967296, 4294967296)"), "items of at most"),
            (header("'|u1'", "False", "(-1,)"), "a tuple of numbers"),
            ("{'descr': '|u1'}".to_owned(), "descr, fortran_order, shape"),
            ("__import__('os').system('id')".to_owned(), "of a Python dictionary"),
        ] {
            let problem = parse(&npy(&header, &[1])).unwrap_err();
            assert!(problem.expected.contains(expected), "{header}: {problem:?}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_headers_never_panic(header: String, items: Vec<u8>, version in 0u8..5) {
            let mut bytes = npy(&header, &items);
            bytes[6] = version;
            let _ = parse(&bytes);
        }

        #[test]
        fn arbitrary_bytes_never_panic(tail: Vec<u8>) {
            let _ = parse(&tail);
            let _ = parse(&[b"\x93NUMPY".as_slice(), &tail].concat());
        }
    }
}
