//! Every parser of files that may come from anywhere, with the memory that it may take.
//!
//! A parser gets its input as it is, and where a checksum or a length would keep arbitrary bytes from the deeper code, also
//! wrapped into an otherwise correct file.

use std::fs;
use std::path::{Component, Path};
use std::sync::{LazyLock, Mutex, PoisonError};

use candle_core::Device;
use dm_degrade::Model;
use dm_degrade::model_config::check_name;
use dm_eval::Classifier;
use dm_nn::data::{Dataset, Images, ReadOptions, SampleSet, idx, image_folder};
use dm_nn::image::ImageShape;
use dm_nn::params::file::TensorFile;
use dm_nn::params::pth;
use dm_record::{
    BenchFile, MetricsLine, PcaFile, PhotonFile, RankingFile, Record, RestorationFile, RunManifest,
    SanityFile, ScoreFile, SummaryRow,
};
use dm_train::{DiffusionTask, RunConfig, TrainingState, checkpoint};
use serde::de::DeserializeOwned;

use super::peak::peak_of;
use super::zip::zip;

/// A mebibyte, the unit of the bounds.
const MIB: usize = 1 << 20;
/// The largest number of bytes that deflate unpacks from one byte.
const DEFLATE: usize = 1032;
/// The bytes that every parser may take whatever its input: for the file under test, for buffers, and for other threads.
const BASE: usize = 4 * MIB;

/// A parser under test.
pub struct Parser {
    /// Its name, which is also that of its fuzz target and of its folder in `fuzz/corpus`.
    pub name: &'static str,
    /// The most bytes of memory that it may take for an input of this length.
    pub bound: fn(usize) -> usize,
    /// Parses an input in the empty folder, and returns the errors.
    pub run: fn(&Path, &[u8]) -> Vec<String>,
}

/// All parsers.
pub const PARSERS: [Parser; 13] = [
    // A plain file, in a vector that grows by doubling.
    Parser { name: "idx", bound: |n| BASE + 3 * n, run: run_idx },
    // What the header of the unpacked file says, at most 1 GiB, as far as the packed bytes deliver it.
    Parser { name: "gzip", bound: |n| BASE + 3 * DEFLATE * n, run: run_gzip },
    // Four arrays, those of images twice.
    Parser { name: "npz", bound: |n| BASE + 6 * DEFLATE * n, run: run_npz },
    // The parsed header: some twenty times its length, and the header takes at most 16 MiB.
    Parser { name: "safetensors", bound: |n| BASE + 64 * n, run: run_safetensors },
    // 256 MiB of tensors, a storage of 256 MiB as f64 and as f32, and the pickle.
    Parser { name: "pth", bound: |n| BASE + 1024 * MIB + 6 * DEFLATE * n, run: run_pth },
    // The tables of the slowest process for the largest images.
    Parser { name: "config", bound: |n| BASE + 1024 * MIB + 256 * n, run: run_config },
    // What the decoder may take, and the image before it is resized.
    Parser {
        name: "png",
        bound: |n| BASE + 1024 * MIB + 8 * n,
        run: |folder, input| run_image(folder, input, "png"),
    },
    Parser {
        name: "jpeg",
        bound: |n| BASE + 1024 * MIB + 8 * n,
        run: |folder, input| run_image(folder, input, "jpg"),
    },
    Parser { name: "folder", bound: |n| BASE + 4096 * n, run: run_folder },
    Parser { name: "names", bound: |n| BASE + 64 * n, run: run_names },
    // As for configs, and a network of twice the file's size and 4 MiB.
    Parser { name: "model", bound: |n| BASE + 1040 * MIB + 256 * n, run: run_model },
    Parser { name: "checkpoint", bound: |n| BASE + 64 * MIB + 256 * n, run: run_checkpoint },
    Parser { name: "record", bound: |n| BASE + 256 * n, run: run_record },
];

/// The parser of this name.
pub fn parser(name: &str) -> &'static Parser {
    PARSERS.iter().find(|parser| parser.name == name).expect("a parser of this name")
}

/// Parses `input`, and checks that the parser keeps its promises: no panic, no memory beyond its bound, errors of one line.
pub fn check(parser: &Parser, input: &[u8]) {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = tempfile::tempdir().expect("a temporary folder");
    // The run is built once and must not count as memory that this input takes.
    LazyLock::force(&RUN);
    let (errors, peak) = peak_of(|| (parser.run)(folder.path(), input));
    let bound = (parser.bound)(input.len());
    assert!(
        peak <= bound,
        "{} took {peak} bytes for {} bytes, at most {bound} are allowed",
        parser.name,
        input.len()
    );
    for error in errors {
        let is_one_line = !error.is_empty() && !error.chars().any(char::is_control);
        assert!(is_one_line && error.chars().count() < 8000, "{}: {error:?}", parser.name);
    }
}

/// The message of an error.
fn message<T, E: std::fmt::Display>(result: Result<T, E>) -> Option<String> {
    result.err().map(|error| error.to_string())
}

/// Writes `input` to a file in `folder`, and parses the file.
fn with_file<T, E: std::fmt::Display>(
    folder: &Path,
    name: &str,
    input: &[u8],
    parse: impl FnOnce(&Path) -> Result<T, E>,
) -> Option<String> {
    let path = folder.join(name);
    fs::write(&path, input).expect("writing a temporary file");
    message(parse(&path))
}

fn run_idx(folder: &Path, input: &[u8]) -> Vec<String> {
    with_file(folder, "images", input, idx::read).into_iter().collect()
}

fn run_gzip(folder: &Path, input: &[u8]) -> Vec<String> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut gzip, input).expect("packing");
    let packed = gzip.finish().expect("packing");
    [with_file(folder, "raw.gz", input, idx::read), with_file(folder, "packed.gz", &packed, idx::read)]
        .into_iter()
        .flatten()
        .collect()
}

fn run_npz(folder: &Path, input: &[u8]) -> Vec<String> {
    let open = |path: &Path| Dataset::open(path, &ReadOptions::default());
    // The input as the training images and as the training labels, beside correct arrays.
    let array = |shape: &str, items: &[u8]| {
        let header = format!("{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}\n");
        [b"\x93NUMPY\x01\x00", &(header.len() as u16).to_le_bytes()[..], header.as_bytes(), items].concat()
    };
    let (images, labels) = (array("(1, 8, 8)", &[7; 64]), array("(1,)", &[0]));
    let good: [(&str, &[u8]); 4] = [
        ("x_train.npy", &images),
        ("y_train.npy", &labels),
        ("x_test.npy", &images),
        ("y_test.npy", &labels),
    ];
    let wrapped = (0..2).map(|i| {
        let mut members = good;
        members[i].1 = input;
        zip(&members)
    });
    let files: Vec<Vec<u8>> = std::iter::once(input.to_vec()).chain(wrapped).collect();
    files.iter().filter_map(|file| with_file(folder, "set.npz", file, open)).collect()
}

fn run_safetensors(folder: &Path, input: &[u8]) -> Vec<String> {
    // The input as a header, followed by zeros.
    let wrapped = [&(input.len() as u64).to_le_bytes()[..], input, &[0; 256]].concat();
    [input, &wrapped]
        .into_iter()
        .flat_map(|file| {
            [
                with_file(folder, "a.safetensors", file, TensorFile::read),
                with_file(folder, "b.safetensors", file, SampleSet::read),
            ]
        })
        .flatten()
        .collect()
}

fn run_pth(folder: &Path, input: &[u8]) -> Vec<String> {
    // The input as the pickle of an archive with one storage.
    let storage: Vec<u8> = (0..64u32).flat_map(|i| (i as f32).to_le_bytes()).collect();
    let wrapped = zip(&[("a/data.pkl", input), ("a/byteorder", b"little"), ("a/data/0", &storage)]);
    [input, &wrapped].into_iter().filter_map(|file| with_file(folder, "model.pth", file, pth::read)).collect()
}

fn run_config(folder: &Path, input: &[u8]) -> Vec<String> {
    with_file(folder, "run.toml", input, |path| {
        let config = RunConfig::read(path, &[])?;
        // The text of an accepted config is read back as the same config.
        let again = RunConfig::parse(&config.to_toml()?, path)?;
        assert_eq!(again, config);
        Ok::<_, dm_train::Error>(config)
    })
    .into_iter()
    .collect()
}

/// The smallest image in a PNG.
pub static GOOD: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut bytes = std::io::Cursor::new(Vec::new());
    image::GrayImage::from_pixel(8, 8, image::Luma([9]))
        .write_to(&mut bytes, image::ImageFormat::Png)
        .expect("packing");
    bytes.into_inner()
});

fn run_image(folder: &Path, input: &[u8], extension: &str) -> Vec<String> {
    fs::write(folder.join("a.png"), &*GOOD).expect("writing a temporary file");
    let name = format!("b.{extension}");
    let read =
        |size| with_file(folder, &name, input, |_| image_folder::read_images(folder, &ReadOptions { size }));
    [read(None), read(Some((8, 8)))].into_iter().flatten().collect()
}

/// The input is a list of paths, separated by line feeds, at which images are put. A path that ends in a slash is a folder.
fn run_folder(folder: &Path, input: &[u8]) -> Vec<String> {
    let root = folder.join("data");
    fs::create_dir(&root).expect("making a temporary folder");
    for name in input.split(|&byte| byte == b'\n').take(64) {
        let name = String::from_utf8_lossy(name);
        let path = root.join(name.trim_start_matches('/'));
        // The test itself must not write outside the folder. A path that the system refuses is left out.
        let inside = path
            .strip_prefix(&root)
            .is_ok_and(|path| path.components().all(|c| matches!(c, Component::Normal(_))));
        if !inside {
            continue;
        }
        if name.ends_with('/') {
            let _ = fs::create_dir_all(&path);
        } else if path.parent().is_some_and(|parent| fs::create_dir_all(parent).is_ok()) {
            let _ = fs::write(&path, &*GOOD);
        }
    }
    message(Dataset::open(&root, &ReadOptions::default())).into_iter().collect()
}

fn run_names(folder: &Path, input: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(input);
    let runs = folder.join("runs");
    let name = check_name(&text);
    if name.is_ok() {
        // The run folder is a folder in `runs`, and nothing else.
        let run = runs.join(&*text);
        assert!(
            run.parent() == Some(&runs) && run.components().count() == runs.components().count() + 1,
            "{text:?}"
        );
        assert!(!text.starts_with('.') && !text.chars().any(char::is_control), "{text:?}");
    }
    let config = folder.join("run.toml");
    fs::write(&config, CONFIG).expect("writing a temporary file");
    let parsed = RunConfig::read(&config, &[text.clone().into_owned()]);
    if let Ok(config) = &parsed {
        assert!(check_name(config.name()).is_ok());
    }
    assert!(!dm_nn::one_line(&text).chars().any(char::is_control));
    [message(name), message(parsed)].into_iter().flatten().collect()
}

/// The config of the smallest run.
pub const CONFIG: &str = "name = \"tiny\"\n\
    [network]\nkind = \"unet\"\nchannels = [4]\ngroups = 1\ntime_embed_dim = 4\n\
    [degradation]\nkind = \"gaussian\"\ntimesteps = 10\n\
    [objective]\nparameterization = \"v\"\n\
    [training]\nepochs = 1\nbatch_size = 4\nvalidation_images = 4\nsample_count = 1\nlog_every = 1\n\
    [sampling]\nsampler = \"ancestral\"\nnfe = 2\n";

/// The smallest data set, the resolved config of the smallest run, and the files that the run leaves.
pub struct TinyRun {
    pub data: Dataset,
    pub config: RunConfig,
    pub model: TensorFile,
    pub checkpoint: TensorFile,
}

static RUN: LazyLock<TinyRun> = LazyLock::new(tiny_run);

/// See [`TinyRun`].
pub fn tiny_run() -> TinyRun {
    let shape = ImageShape::new(1, 8, 8);
    let images = |n: u8| {
        let pixels = (0..u32::from(n) * 64).map(|i| (i % 251) as u8).collect();
        Images { shape, num_classes: 2, pixels, labels: (0..n).map(|i| i % 2).collect() }
    };
    let data = Dataset::in_memory(images(8), images(4)).expect("a data set");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("checkpoint.safetensors");
    let config = RunConfig::parse(CONFIG, Path::new("run.toml")).and_then(|config| config.resolve(&data));
    let config = config.expect("a config");
    let state = tiny_state(&config, &data);
    let toml = config.to_toml().expect("a config");
    let file =
        checkpoint::file(&path, &state, &toml, std::time::Duration::from_secs(1)).expect("a checkpoint");
    file.write().expect("writing a checkpoint");
    let checkpoint = TensorFile::read(&path).expect("a checkpoint");
    let model = dm_degrade::model::Description {
        config: &toml,
        fitted: &[],
        class_names: &data.class_names,
        step: 1,
        data_sha256: &data.sha256,
    };
    let path = folder.path().join("model.safetensors");
    dm_degrade::model::write(&path, &model, state.evaluated_params()).expect("writing a model");
    let model = TensorFile::read(&path).expect("a model");
    TinyRun { data, config, model, checkpoint }
}

/// The metadata entries of the smallest model, in the order in which an input chooses them.
pub const MODEL_ENTRIES: [&str; 6] = ["config", "fitted", "class_names", "schema", "step", "data_sha256"];
/// The metadata entries of the smallest checkpoint that restoring reads, in the order in which an input chooses them.
pub const CHECKPOINT_ENTRIES: [&str; 5] =
    ["step", "recent_loss", "elapsed_s", "data_sha256", "loss_by_timestep"];

/// The state of the smallest run at step 0.
pub fn tiny_state(config: &RunConfig, data: &Dataset) -> TrainingState<DiffusionTask> {
    let RunConfig::Diffusion(config) = config else { panic!("the config of a diffusion model") };
    let task = DiffusionTask::from_config(config, data).expect("a task");
    TrainingState::new(task, &config.settings(), data, &Device::Cpu).expect("a state")
}

/// The bytes of `file`, written to `path` with the metadata `entries`, of which the one that the first byte of `input` chooses is
/// replaced by the other bytes. An empty input replaces nothing.
pub fn with_entry(file: &TensorFile, path: &Path, entries: &[&str], input: &[u8]) -> Vec<u8> {
    let mut changed = TensorFile::new(path);
    for name in file.names() {
        let (shape, values) = file.get(name).expect("a tensor");
        changed.insert_values(name, shape.to_vec(), values.to_vec());
    }
    for entry in entries {
        changed.set_metadata(entry, file.metadata(entry).expect("an entry"));
    }
    if let Some((chosen, text)) = input.split_first() {
        let entry = entries[usize::from(*chosen) % entries.len()];
        changed.set_metadata(entry, String::from_utf8_lossy(text));
    }
    changed.write().expect("writing a temporary file");
    fs::read(path).expect("reading a temporary file")
}

fn run_model(folder: &Path, input: &[u8]) -> Vec<String> {
    let wrapped = with_entry(&RUN.model, &folder.join("w.safetensors"), &MODEL_ENTRIES, input);
    let classifier = |path: &Path| Classifier::read(path, &Device::Cpu);
    [
        with_file(folder, "a.safetensors", input, |path| Model::open(path, &Device::Cpu)),
        with_file(folder, "a.safetensors", input, classifier),
        with_file(folder, "b.safetensors", &wrapped, |path| Model::open(path, &Device::Cpu)),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn run_checkpoint(folder: &Path, input: &[u8]) -> Vec<String> {
    let wrapped = with_entry(&RUN.checkpoint, &folder.join("w.safetensors"), &CHECKPOINT_ENTRIES, input);
    let restore = |path: &Path| {
        let file = TensorFile::read(path)?;
        checkpoint::restore(&file, tiny_state(&RUN.config, &RUN.data)).map(drop)
    };
    [
        with_file(folder, "a.safetensors", input, restore),
        with_file(folder, "b.safetensors", &wrapped, restore),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn run_record(_: &Path, input: &[u8]) -> Vec<String> {
    fn record<T: DeserializeOwned + Record>(input: &[u8]) -> Option<String> {
        let mut value: T = match serde_json::from_slice(input) {
            Ok(value) => value,
            Err(error) => return Some(dm_nn::one_line(&error.to_string())),
        };
        if value.is_readable() {
            value.upgrade();
        }
        None
    }
    let plain = [
        message(serde_json::from_slice::<MetricsLine>(input)),
        message(serde_json::from_slice::<Vec<SummaryRow>>(input)),
        message(serde_json::from_slice::<BenchFile>(input)),
    ];
    let records = [
        record::<RunManifest>(input),
        record::<ScoreFile>(input),
        record::<SanityFile>(input),
        record::<RankingFile>(input),
        record::<PcaFile>(input),
        record::<RestorationFile>(input),
        record::<PhotonFile>(input),
    ];
    plain
        .into_iter()
        .flatten()
        .map(|error| dm_nn::one_line(&error))
        .chain(records.into_iter().flatten())
        .collect()
}
