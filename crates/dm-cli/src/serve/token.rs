//! The token that a server for other machines asks for.

use anyhow::{Result, bail, ensure};

/// The cookie that a browser keeps the token in.
pub const COOKIE: &str = "dm_token";
/// The shortest and the longest token.
const LENGTH: std::ops::RangeInclusive<usize> = 16..=128;

/// A secret of letters, digits, `-` and `_`, which can stand in an address.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// A token of 128 random bits from the operating system.
    ///
    /// # Errors
    /// If the system gives no random numbers.
    pub fn random() -> Result<Self> {
        let mut bytes = [0; 16];
        if let Err(error) = getrandom::fill(&mut bytes) {
            bail!("--token: found no random numbers ({error}), expected a token on the command line");
        }
        Ok(Self(format!("{:032x}", u128::from_ne_bytes(bytes))))
    }

    /// The token as text.
    pub fn text(&self) -> &str {
        &self.0
    }

    /// Whether `text` is this token. The time this takes does not depend on how much of `text` is right.
    pub fn is(&self, text: &str) -> bool {
        let differences =
            self.0.bytes().zip(text.bytes()).fold(0, |differences, (a, b)| differences | (a ^ b));
        self.0.len() == text.len() && differences == 0
    }
}

impl std::str::FromStr for Token {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let is_plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
        let (least, most) = (LENGTH.start(), LENGTH.end());
        ensure!(
            is_plain && LENGTH.contains(&text.len()),
            "expected {least} to {most} letters, digits, - or _, which nobody can guess"
        );
        Ok(Self(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_long_random_and_compared_as_a_whole() {
        let (a, b) = (Token::random().unwrap(), Token::random().unwrap());
        assert!(a.text().len() == 32 && a != b);
        assert!(a.is(a.text()) && !a.is(b.text()) && !a.is(&a.text()[1..]) && !a.is(""));
        assert!("0123456789abcdef".parse::<Token>().is_ok());
        assert!("short".parse::<Token>().is_err() && "0123456789abcde;".parse::<Token>().is_err());
    }
}
