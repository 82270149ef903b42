//! `cargo xtask tidy`: checks conventions that the compiler does not check. The rules are in `rules.rs`.

mod rules;
mod tree;

use crate::workspace::root;
use anyhow::Result;
use std::process::ExitCode;
use tree::Tree;

pub fn run() -> Result<ExitCode> {
    let tree = Tree::read(root())?;
    let findings = rules::check(&tree);
    for finding in &findings {
        println!("{finding}");
    }
    if findings.is_empty() {
        println!("tidy: {} files, {} rules, no findings", tree.files.len(), rules::RULES.len());
        return Ok(ExitCode::SUCCESS);
    }
    println!("tidy: {} findings", findings.len());
    Ok(ExitCode::FAILURE)
}
