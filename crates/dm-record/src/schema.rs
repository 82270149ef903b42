//! The version of the file formats, and the translation of files of an older version.

/// The current version, which all files are written in.
pub const SCHEMA: u32 = 2;

/// A file that states the version of its format.
pub trait Record {
    /// The version that the file states.
    fn schema(&self) -> u32;

    /// Whether this crate can read a file of that version: 1 to [`SCHEMA`].
    fn is_readable(&self) -> bool {
        (1..=SCHEMA).contains(&self.schema())
    }

    /// Translates values that have been renamed since the file was written, after which [`Self::schema`] is [`SCHEMA`]. A
    /// second call has no effect. Renamed keys are serde aliases and need no translation.
    fn upgrade(&mut self);
}

/// The current name of a sampler of schema 1.
pub(crate) fn sampler(old: &str) -> &str {
    match old {
        "bridge" => "ancestral",
        "bridge_2m" => "ancestral_2m",
        "prince" => "ddpm_notebook",
        "dpmpp2m" => "dpmpp_2m",
        same => same,
    }
}

/// The current name of a spacing of schema 1.
pub(crate) fn spacing(old: &str) -> &str {
    match old {
        "even" => "uniform",
        "early" => "power:1.5",
        "middle" => "cosine",
        same => same,
    }
}

/// The current name of a classifier of schema 1.
pub(crate) fn classifier(old: &str) -> String {
    old.strip_prefix("judge").map_or_else(|| old.to_owned(), |rest| format!("classifier{rest}"))
}
