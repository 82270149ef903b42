//! The place of the trials: a temporary folder with a small data set and small configs, the program, and random numbers.

use crate::workspace;
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Height and width of the images.
pub const SIDE: usize = 16;
/// Number of training images.
pub const TRAIN: usize = 64;
/// Number of test images.
const TEST: usize = 32;
/// Names of the files of an IDX data set: images and labels, of training and test.
const FILES: [&str; 4] = [
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
];

/// The place of the trials.
pub struct Lab {
    /// The program `dm`.
    pub dm: PathBuf,
    /// Whether only a few trials are to be made.
    pub quick: bool,
    dir: tempfile::TempDir,
    random: u64,
}

impl Lab {
    /// Writes a data set for trials of the program `dm`. `seed` is that of the random numbers.
    pub fn new(dm: PathBuf, quick: bool, seed: u64) -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("dm-torture-").tempdir().context("a temporary folder")?;
        let mut lab = Self { dm, quick, dir, random: seed };
        lab.write_data()?;
        Ok(lab)
    }

    /// The folder of the trials.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// A path in the folder of the trials.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir().join(name)
    }

    /// `many` in full, `few` with `--quick`.
    pub fn trials(&self, many: usize, few: usize) -> usize {
        if self.quick { few } else { many }
    }

    /// A random number below `end` (SplitMix64, Steele et al. 2014).
    pub fn below(&mut self, end: u64) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % end
    }

    /// The command `dm` with `args` in the folder of the trials.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.dm);
        command.args(args).current_dir(self.dir()).env("DM_DATA", workspace::root().join("data"));
        command
    }

    /// Writes the config of a small run to `NAME.toml`, with `lines` at its end, and returns the name of the file.
    /// `degradation` is a table's content, as in `kind = "ink"`.
    pub fn config(&self, name: &str, degradation: &str, lines: &str) -> Result<String> {
        let parameterization = if degradation.contains("gaussian") { "v" } else { "sigmoid" };
        let text = format!(
            "name = \"{name}\"\n\
             [data]\npath = \"data\"\n\
             [network]\nkind = \"unet\"\nchannels = [8, 16]\ngroups = 4\ntime_embed_dim = 16\n\
             [degradation]\n{degradation}\ntimesteps = 50\n\
             [objective]\nparameterization = \"{parameterization}\"\n\
             [sampling]\nsampler = \"ancestral\"\nnfe = 5\n\
             [optimizer]\nlearning_rate = 1e-3\n\
             [training]\nbatch_size = 16\nvalidation_images = 16\nlog_every = 1\nsample_count = 4\n\
             ema_decay = 0.99\n{lines}\n"
        );
        let file = format!("{name}.toml");
        let path = self.path(&file);
        std::fs::write(&path, text).with_context(|| path.display().to_string())?;
        Ok(file)
    }

    /// Bright squares at random places; the class is the quadrant.
    fn write_data(&mut self) -> Result<()> {
        let folder = self.path("data");
        std::fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
        for (part, count) in [TRAIN, TEST].into_iter().enumerate() {
            let size = |n: usize| u32::try_from(n).unwrap_or(u32::MAX).to_be_bytes();
            let mut images = [&[0, 0, 8, 3], &size(count)[..], &size(SIDE), &size(SIDE)].concat();
            let mut labels = [&[0, 0, 8, 1], &size(count)[..]].concat();
            for i in 0..count {
                let class = i % 4;
                let (top, left) = (8 * (class / 2), 8 * (class % 2));
                let (y, x) = (top + self.below(4) as usize, left + self.below(4) as usize);
                let mut image = vec![0; SIDE * SIDE];
                for row in y..y + 5 {
                    image[row * SIDE + x..row * SIDE + x + 5].fill(200 + self.below(50) as u8);
                }
                images.extend(image);
                labels.push(class as u8);
            }
            for (name, bytes) in FILES[2 * part..].iter().zip([images, labels]) {
                let path = folder.join(name);
                std::fs::write(&path, bytes).with_context(|| path.display().to_string())?;
            }
        }
        Ok(())
    }
}
