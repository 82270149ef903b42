//! Every write, flush, rename and removal of a short run fails once. The run must end with an error that names a file of the
//! run, and must then continue from a checkpoint to the model of a run in which nothing failed.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::common::{metrics, same_file, train, try_train};
use dm_nn::storage::{Disk, Storage};
use dm_train::RunConfig;
use tempfile::NamedTempFile;

/// The file system, of which one operation fails.
struct Failing {
    /// The number of the operation, from 0.
    at: usize,
    /// Number of operations so far.
    count: AtomicUsize,
    /// Whether only the first half of the bytes of a failing write reaches the file.
    torn: bool,
}

impl Failing {
    fn new(at: usize) -> Arc<Self> {
        Arc::new(Self { at, count: AtomicUsize::new(0), torn: at.is_multiple_of(2) })
    }

    fn fails(&self) -> io::Result<()> {
        let fails = self.count.fetch_add(1, Ordering::Relaxed) == self.at;
        if fails { Err(io::Error::other("injected failure")) } else { Ok(()) }
    }
}

impl Storage for Failing {
    fn create_folder(&self, path: &Path) -> io::Result<()> {
        self.fails().and_then(|()| Disk.create_folder(path))
    }

    fn create_temporary(&self, folder: &Path) -> io::Result<NamedTempFile> {
        self.fails().and_then(|()| Disk.create_temporary(folder))
    }

    fn open_to_append(&self, path: &Path) -> io::Result<File> {
        self.fails().and_then(|()| Disk.open_to_append(path))
    }

    fn write(&self, file: &mut File, bytes: &[u8]) -> io::Result<()> {
        if let Err(error) = self.fails() {
            if self.torn {
                Disk.write(file, &bytes[..bytes.len() / 2])?;
            }
            return Err(error);
        }
        Disk.write(file, bytes)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        self.fails().and_then(|()| Disk.sync(file))
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        self.fails().and_then(|()| Disk.sync_folder(path))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.fails().and_then(|()| Disk.rename(from, to))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.fails().and_then(|()| Disk.remove(path))
    }
}

#[test]
fn every_failing_operation_is_reported_and_survived() {
    let data = crate::common::data();
    let mut config = crate::common::config("gaussian", "v", "ancestral");
    (config.training.epochs, config.training.checkpoint_every) = (1, 1);
    // Three steps: the third checkpoint replaces the first one.
    (config.training.max_images, config.training.sample_count) = (24, 1);
    config.training.validation_images = 4;
    let config = RunConfig::Diffusion(config);
    let dir = tempfile::tempdir().unwrap();
    let whole = dir.path().join("whole");
    assert!(train(&whole, &config, &data, false, u64::MAX));

    let mut at = 0;
    loop {
        let run = dir.path().join(format!("run-{at}"));
        let storage = Failing::new(at);
        match try_train(&run, &config, &data, false, u64::MAX, storage.clone()) {
            Ok(is_complete) => {
                assert!(is_complete && storage.count.load(Ordering::Relaxed) <= at);
                break;
            }
            Err(error) => {
                let text = error.to_string();
                let names_a_file = text.contains(run.to_str().unwrap()) && text.contains("injected failure");
                assert!(names_a_file && !text.contains('\n'), "operation {at}: {text}");
            }
        }
        // The metrics say how far the run was; a checkpoint after each step means that one step is lost at most.
        let text = fs::read_to_string(run.join("metrics.jsonl")).unwrap_or_default();
        let steps = text.lines().filter(|line| line.contains("\"event\":\"step\"")).count();
        let has_checkpoint = !dm_train::checkpoint_files::all(&run).unwrap_or_default().is_empty();
        assert!(has_checkpoint || steps < 3, "operation {at}: no checkpoint after {steps} steps");
        assert!(train(&run, &config, &data, true, u64::MAX), "operation {at}");
        for name in ["model.safetensors", "config.toml", "samples/epoch-0001.png"] {
            same_file(&whole, &run, name);
        }
        assert_eq!(metrics(&whole), metrics(&run), "operation {at}");
        let names = |folder: &Path| {
            let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
            names.collect::<std::collections::BTreeSet<_>>()
        };
        assert_eq!(names(&whole), names(&run), "operation {at}");
        fs::remove_dir_all(&run).unwrap();
        at += 1;
    }
    assert!(at > 60, "only {at} operations");
}
