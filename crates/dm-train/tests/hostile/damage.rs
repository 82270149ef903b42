//! Damage of checkpoints and models is noticed: a hash of the whole content is part of both.

use std::fs;
use std::path::Path;

use candle_core::Device;
use dm_degrade::Model;
use dm_nn::params::file::TensorFile;
use dm_nn::rng::{Purpose, Seed};
use dm_train::checkpoint;

use super::parsers::{TinyRun, tiny_run, tiny_state};

/// Numbers the random streams of this test.
const DAMAGE: Purpose = Purpose(9000);
/// Bytes of the header from one flipped bit to the next, and number of bits flipped at random places of each file. `cargo xtask
/// torture` flips a bit of every byte of the header, and more at random.
const STEP: usize = 5;
const BITS: u64 = 300;

/// Every damage that this test does to `content`, with a name.
fn damages(content: &[u8]) -> impl Iterator<Item = (String, Vec<u8>)> {
    let header = 8 + u64::from_le_bytes(content[..8].try_into().unwrap()) as usize;
    let flipped = |at: usize, mask: u8| {
        let mut damaged = content.to_vec();
        damaged[at] ^= mask;
        damaged
    };
    let bytes = (0..header).step_by(STEP).map(|at| (at, 1 << (at % 8)));
    let bits = (0..BITS).map(|i| {
        let mut stream = Seed(7).stream(DAMAGE, i, 0);
        (stream.below(content.len() as u64) as usize, 1 << stream.below(8))
    });
    let flips = bytes
        .chain(bits)
        .map(move |(at, mask)| (format!("byte {at} with the bits {mask:08b} flipped"), flipped(at, mask)));
    // The files are small: every 256 bytes instead of every 4 KiB, and each byte at the end of header and file.
    let lengths = (0..content.len()).step_by(256).chain([header - 1, header, content.len() - 1]);
    let cuts = lengths.map(|length| (format!("cut to {length} bytes"), content[..length].to_vec()));
    flips.chain(cuts).chain([("one byte more".to_owned(), [content, &[0]].concat())])
}

/// Checks that `parse` accepts the content, and refuses every damage of it in one line that names the file.
fn all_damage_is_refused<T>(file: &TensorFile, parse: impl Fn(&Path) -> Result<T, String>) {
    let folder = tempfile::tempdir().unwrap();
    let (content, path) = (file.to_bytes().unwrap(), folder.path().join("damaged.safetensors"));
    fs::write(&path, &content).unwrap();
    assert_eq!(parse(&path).err(), None);
    let mut count = 0;
    for (damage, damaged) in damages(&content) {
        fs::write(&path, damaged).unwrap();
        let Err(message) = parse(&path) else { panic!("{damage} was not noticed") };
        assert!(message.contains("damaged.safetensors"), "{damage}: {message}");
        assert!(!message.chars().any(char::is_control), "{damage}: {message:?}");
        count += 1;
    }
    assert!(count > 800, "{count} damages");
}

#[test]
fn every_damage_of_a_checkpoint_is_refused() {
    let TinyRun { data, config, checkpoint: file, .. } = tiny_run();
    all_damage_is_refused(&file, |path| {
        let file = TensorFile::read(path).map_err(|error| error.to_string())?;
        checkpoint::restore(&file, tiny_state(&config, &data)).map(drop).map_err(|error| error.to_string())
    });
}

#[test]
fn every_damage_of_a_model_is_refused() {
    let run = tiny_run();
    all_damage_is_refused(&run.model, |path| {
        Model::open(path, &Device::Cpu).map(drop).map_err(|error| error.to_string())
    });
}
