//! Reads Rust source: removes comments, string literals and tests from code, and splits code into words.

/// `source` with comments, string literals and character literals replaced by spaces.
pub fn code(source: &str) -> String {
    let bytes = source.as_bytes();
    let mut code = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let end = match bytes[at] {
            b'/' if bytes[at..].starts_with(b"//") => find(bytes, at, b"\n"),
            b'/' if bytes[at..].starts_with(b"/*") => find(bytes, at + 2, b"*/") + 2,
            b'r' if raw_text(bytes, at).is_some() => raw_text(bytes, at).unwrap_or(at),
            b'"' => end_of_text(bytes, at),
            b'\'' => end_of_character(bytes, at),
            _ => at,
        };
        let end = end.min(bytes.len());
        code[at..end].iter_mut().filter(|byte| **byte != b'\n').for_each(|byte| *byte = b' ');
        at = end.max(at + 1);
    }
    String::from_utf8_lossy(&code).into_owned()
}

fn find(bytes: &[u8], from: usize, what: &[u8]) -> usize {
    let found = bytes.get(from..).and_then(|rest| rest.windows(what.len()).position(|window| window == what));
    found.map_or(bytes.len(), |place| from + place)
}

/// The end of a raw string literal such as `r#"..."#` that begins at `at`.
fn raw_text(bytes: &[u8], at: usize) -> Option<usize> {
    let before = at.checked_sub(1).map_or(b' ', |before| bytes[before]);
    let hashes = bytes[at + 1..].iter().take_while(|byte| **byte == b'#').count();
    let is_word = before.is_ascii_alphanumeric() && before != b'b' || before == b'_';
    if is_word || bytes.get(at + 1 + hashes) != Some(&b'"') {
        return None;
    }
    let close = [&b"\""[..], &b"#".repeat(hashes)].concat();
    Some(find(bytes, at + 2 + hashes, &close) + close.len())
}

fn end_of_text(bytes: &[u8], at: usize) -> usize {
    let mut end = at + 1;
    while end < bytes.len() && bytes[end] != b'"' {
        end += if bytes[end] == b'\\' { 2 } else { 1 };
    }
    end + 1
}

/// The end of a character literal such as 'x' or '\n'; `at` itself for the start of a lifetime.
fn end_of_character(bytes: &[u8], at: usize) -> usize {
    let text = std::str::from_utf8(&bytes[at + 1..]).unwrap_or_default();
    let mut letters = text.char_indices();
    match letters.next() {
        Some((_, '\\')) => find(bytes, at + 3, b"'") + 1,
        Some((_, letter)) if text[letter.len_utf8()..].starts_with('\'') => at + 2 + letter.len_utf8(),
        _ => at,
    }
}

/// `code` without the items below `#[cfg(test)]` or another condition that contains `test`.
pub fn without_tests(code: &str) -> String {
    let mut rest = code;
    let mut kept = String::new();
    while let Some(place) = rest.find("#[cfg(") {
        let (before, item) = rest.split_at(place);
        let condition = item.find(']').map_or("", |end| &item[..end]);
        kept.push_str(before);
        if words(condition).any(|word| word == "test") {
            rest = &item[end_of_item(item)..];
        } else {
            kept.push_str(&item[..condition.len()]);
            rest = &item[condition.len()..];
        }
    }
    kept + rest
}

/// The end of the item at the start of `item`: a semicolon, or the brace that closes its block.
fn end_of_item(item: &str) -> usize {
    let mut depth = 0;
    for (place, letter) in item.char_indices() {
        match letter {
            '{' | '(' | '[' => depth += 1,
            '}' if depth == 1 => return place + 1,
            '}' | ')' | ']' => depth -= 1,
            ';' if depth == 0 => return place + 1,
            _ => {}
        }
    }
    item.len()
}

/// Names and numbers in order.
pub fn words(code: &str) -> impl Iterator<Item = &str> {
    code.split(|letter: char| !letter.is_alphanumeric() && letter != '_').filter(|word| !word.is_empty())
}

#[test]
fn comments_literals_and_tests_are_not_code() {
    let source = "a /* b */ \"c \\\" d\" 'e' '\\n' &'f g // h\n r#\"i \" j\"# k";
    assert_eq!(words(&code(source)).collect::<Vec<_>>(), ["a", "f", "g", "k"]);
    let source = "a; #[cfg(test)] mod b { c { d } } #[cfg(unix)] fn e() {} #[cfg(all(test, unix))] mod f; g";
    assert_eq!(
        without_tests(source).split_whitespace().collect::<Vec<_>>().join(" "),
        "a; #[cfg(unix)] fn e() {} g"
    );
}
