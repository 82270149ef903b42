//! The git revisions of the working directory and of the program.

use std::path::Path;
use std::process::Command;

/// The features that the program can be built with, and whether this program was built with each of them.
const FEATURES: [(&str, bool); 4] = [
    ("cuda", cfg!(feature = "cuda")),
    ("cudnn", cfg!(feature = "cudnn")),
    ("metal", cfg!(feature = "metal")),
    ("hub", cfg!(feature = "hub")),
];

/// The git revision of the working directory, with `-dirty` behind it if files have changed. `None` outside a repository.
pub fn git_revision() -> Option<String> {
    describe(Path::new("."))
}

/// The version, the git revision and the features of this program, in one line.
pub fn version() -> String {
    let built_from = option_env!("DM_REVISION").map(str::to_owned);
    let revision = built_from.or_else(|| describe(Path::new(env!("CARGO_MANIFEST_DIR"))));
    let revision = revision.unwrap_or_else(|| "unknown".to_owned());
    let features: Vec<&str> = FEATURES.iter().filter(|(_, is_on)| *is_on).map(|(name, _)| *name).collect();
    let features = if features.is_empty() { "none".to_owned() } else { features.join(", ") };
    format!("dm {} (revision {revision}, features: {features})", env!("CARGO_PKG_VERSION"))
}

/// The git revision of `folder`.
fn describe(folder: &Path) -> Option<String> {
    let mut git = Command::new("git");
    git.arg("-C").arg(folder).args(["describe", "--always", "--dirty", "--abbrev=12"]);
    let output = git.output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}
