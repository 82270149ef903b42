//! Hostile input: whatever a file contains, its parser does not panic, takes no more memory than its bound, and gives errors of
//! one line.
//!
//! The same functions are fuzzed for longer in `fuzz/`, outside the workspace, because that takes a nightly feature. Its corpus
//! starts with the files that [`seeds`] describes. Inputs that once failed are kept there and tried here on every run.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod damage;
mod parsers;
mod peak;
mod seeds;
mod zip;

use std::fs;
use std::path::{Path, PathBuf};

use parsers::{PARSERS, Parser, check, parser};
use proptest::prelude::*;
use proptest::sample::Index;

/// The folder of the inputs of all parsers.
fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus")
}

/// The inputs of one parser, in the order of their names.
fn inputs(parser: &Parser) -> Vec<Vec<u8>> {
    let folder = corpus().join(parser.name);
    let mut paths: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

/// Writes the seeds: `cargo test -p dm-train --test hostile -- --ignored write_the_seeds`.
#[test]
#[ignore = "writes files of the repository"]
fn write_the_seeds() {
    for (parser, name, content) in seeds::seeds() {
        let folder = corpus().join(parser);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(name), content).unwrap();
    }
}

/// The seeds are what they are called: those of correct files are read, all others are refused.
#[test]
fn seeds_are_accepted_or_refused_as_their_names_say() {
    let mut wrong = Vec::new();
    for (name, file, content) in seeds::seeds() {
        let folder = tempfile::tempdir().unwrap();
        let errors = (parser(name).run)(folder.path(), &content);
        // The number of forms in which a parser gets its input, as it is and wrapped. It accepts a correct file in at least one.
        let forms = match name {
            "idx" | "config" | "folder" => 1,
            "png" | "jpeg" | "names" | "gzip" | "pth" | "checkpoint" => 2,
            "npz" | "model" => 3,
            "safetensors" => 4,
            "record" => 10,
            other => panic!("{other}"),
        };
        let is_accepted = errors.len() < forms;
        if is_accepted == file.starts_with("bad-") {
            wrong.push(format!("{name}/{file}: {errors:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Not only because a panic of the decoder is caught.
#[test]
fn a_jpeg_on_which_the_decoder_panics_is_refused_by_its_header() {
    let input = fs::read(corpus().join("jpeg/finer-second-component.jpg")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let errors = (parser("jpeg").run)(folder.path(), &input);
    assert!(errors.iter().any(|error| error.contains("sampling")), "{errors:?}");
}

#[test]
fn inputs_that_once_failed_are_handled() {
    let mut count = 0;
    for parser in &PARSERS {
        for input in inputs(parser) {
            check(parser, &input);
            count += 1;
        }
    }
    assert!(count > 100, "{count} inputs");
}

/// A change of a file.
#[derive(Clone, Debug)]
enum Change {
    Flip(Index, u8),
    Set(Index, u8),
    Number(Index, u32, bool),
    Cut(Index),
    Remove(Index, usize),
    Repeat(Index, usize, usize),
    Insert(Index, Vec<u8>),
}

fn change() -> impl Strategy<Value = Change> {
    let extreme =
        prop::sample::select(vec![0, 1, 0x7f, 0xff, 0x7fff, 0xffff, 0x7fff_ffff, 0x8000_0000, u32::MAX]);
    prop_oneof![
        (any::<Index>(), 0u8..8).prop_map(|(at, bit)| Change::Flip(at, bit)),
        (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Change::Set(at, byte)),
        (any::<Index>(), extreme, any::<bool>()).prop_map(|(at, value, big)| Change::Number(at, value, big)),
        any::<Index>().prop_map(Change::Cut),
        (any::<Index>(), 1usize..64).prop_map(|(at, length)| Change::Remove(at, length)),
        (any::<Index>(), 1usize..64, 1usize..200)
            .prop_map(|(at, length, times)| Change::Repeat(at, length, times)),
        (any::<Index>(), prop::collection::vec(any::<u8>(), 1..16))
            .prop_map(|(at, bytes)| Change::Insert(at, bytes)),
    ]
}

fn apply(change: &Change, bytes: &mut Vec<u8>) {
    let len = bytes.len();
    if len == 0 {
        return;
    }
    let part = |at: usize, length: usize| at..(at + length).min(len);
    match change {
        Change::Flip(at, bit) => bytes[at.index(len)] ^= 1 << bit,
        Change::Set(at, byte) => bytes[at.index(len)] = *byte,
        Change::Number(at, value, big) => {
            let value = if *big { value.to_be_bytes() } else { value.to_le_bytes() };
            let part = part(at.index(len), value.len());
            let length = part.len();
            bytes[part].copy_from_slice(&value[..length]);
        }
        Change::Cut(at) => bytes.truncate(at.index(len)),
        Change::Remove(at, length) => drop(bytes.drain(part(at.index(len), *length))),
        Change::Repeat(at, length, times) => {
            let part = part(at.index(len), *length);
            let repeated = bytes[part.clone()].repeat(*times);
            bytes.splice(part.end..part.end, repeated);
        }
        Change::Insert(at, inserted) => drop(bytes.splice(at.index(len)..at.index(len), inserted.clone())),
    }
}

/// Tries `cases` arbitrary inputs and as many changed files of the corpus.
fn try_parser(name: &str, cases: u32) {
    let (parser, inputs) = (parser(name), inputs(parser(name)));
    let config = ProptestConfig {
        cases,
        failure_persistence: None,
        max_shrink_iters: 200,
        ..ProptestConfig::default()
    };
    let strategy =
        (any::<Index>(), prop::collection::vec(change(), 0..5), prop::collection::vec(any::<u8>(), 0..300));
    proptest!(config, |((which, changes, arbitrary) in strategy)| {
        check(parser, &arbitrary);
        let mut input = inputs[which.index(inputs.len())].clone();
        changes.iter().for_each(|change| apply(change, &mut input));
        check(parser, &input);
    });
}

macro_rules! changed_and_arbitrary_inputs_are_handled {
    ($($parser:ident $cases:literal)*) => {
        mod changed_and_arbitrary_inputs_are_handled {
            $(#[test]
            fn $parser() {
                super::try_parser(stringify!($parser), $cases);
            })*
        }
    };
}

changed_and_arbitrary_inputs_are_handled! {
    idx 500 gzip 300 npz 300 safetensors 300 pth 300 config 200 png 200 jpeg 200 folder 100 names 500 model 60
    checkpoint 60 record 500
}

/// Damage that checksums and lengths must notice: one flipped bit anywhere in a correct file.
#[test]
fn a_flipped_bit_is_noticed_where_the_format_has_a_checksum() {
    for (name, seed) in [("gzip", "mnist-like.gz"), ("npz", "keras.npz"), ("png", "grey.png")] {
        let content =
            seeds::seeds().into_iter().find(|(parser, file, _)| *parser == name && file == seed).unwrap().2;
        let mut accepted = 0;
        for at in (0..content.len()).step_by(3) {
            let mut damaged = content.clone();
            damaged[at] ^= 1 << (at % 8);
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join(seed);
            fs::write(&path, &damaged).unwrap();
            let (before, after) =
                (read(folder.path(), &path, &content), read(folder.path(), &path, &damaged));
            // Some bits do not affect the content, for example those of the time of compression.
            match after {
                Ok(after) => {
                    assert_eq!(Ok(after), before, "{name}: bit {} of byte {at}", at % 8);
                    accepted += 1;
                }
                Err(message) => assert!(message.contains(seed), "{message}"),
            }
        }
        assert!(
            accepted * 12 < content.len(),
            "{name}: {accepted} of {} bits do not matter",
            content.len() / 3
        );
    }
}

/// The pixels in the file at `path` once it holds `content`.
fn read(folder: &Path, path: &Path, content: &[u8]) -> Result<Vec<u8>, String> {
    use dm_nn::data::{Dataset, ReadOptions, idx, image_folder};
    fs::write(path, content).unwrap();
    let options = ReadOptions::default();
    let pixels = match path.extension().unwrap().to_str().unwrap() {
        "gz" => idx::read(path).map(|file| file.items),
        "npz" => Dataset::open(path, &options).map(|data| data.train.pixels),
        _ => {
            let whole = path.with_file_name("whole.png");
            fs::write(whole, &*parsers::GOOD).unwrap();
            image_folder::read_images(folder, &options).map(|images| images.pixels)
        }
    };
    pixels.map_err(|error| error.to_string())
}
