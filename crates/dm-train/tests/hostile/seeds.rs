//! The first inputs of every parser: small correct files, and bad ones, whose names begin with `bad-`.
//!
//! Among the bad ones are the inputs of public bug reports of similar programs: web pages and Git LFS pointers under the name of
//! a data file, floats for bytes, pickles with calls, bombs, headers that overlap or promise too much.

use std::io::{Cursor, Write};

use image::{DynamicImage, GrayImage, ImageFormat, Luma, Rgb, RgbImage, Rgba, RgbaImage};

use super::parsers::{CHECKPOINT_ENTRIES, CONFIG, MODEL_ENTRIES, tiny_run, with_entry};
use super::zip::zip;

/// Parser, name and content of a file.
pub type Seed = (&'static str, String, Vec<u8>);

const HTML: &[u8] = b"<!DOCTYPE html>\n<html><head><title>404 Not Found</title></head></html>";
const POINTER: &[u8] = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b\nsize 12345\n";

/// All seeds.
pub fn seeds() -> Vec<Seed> {
    let mut all = Vec::new();
    for (parser, files) in [
        ("idx", idx()),
        ("gzip", gzip()),
        ("npz", npz()),
        ("safetensors", safetensors()),
        ("pth", pth()),
        ("config", config()),
        ("png", png()),
        ("jpeg", jpeg()),
        ("folder", folder()),
        ("names", names()),
        ("model", model()),
        ("checkpoint", checkpoint()),
        ("record", record()),
    ] {
        all.extend(files.into_iter().map(|(name, content)| (parser, name.to_owned(), content)));
    }
    all
}

type Files = Vec<(&'static str, Vec<u8>)>;

fn idx_file(code: u8, shape: &[u32], items: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, code, shape.len() as u8];
    shape.iter().for_each(|size| bytes.extend(size.to_be_bytes()));
    bytes.extend(items);
    bytes
}

fn idx() -> Files {
    vec![
        ("images", idx_file(8, &[2, 8, 8], &[7; 128])),
        ("images-32x32", idx_file(8, &[1, 32, 32], &[9; 1024])),
        ("labels", idx_file(8, &[3], &[1, 26, 3])),
        ("four-dimensions", idx_file(8, &[1, 2, 2, 3], &[5; 12])),
        ("bad-empty", Vec::new()),
        ("bad-html", HTML.to_vec()),
        ("bad-lfs-pointer", POINTER.to_vec()),
        ("bad-float", idx_file(0x0d, &[1, 8, 8], &[0; 256])),
        ("bad-double", idx_file(0x0e, &[2], &[0; 16])),
        ("bad-qmnist-labels", idx_file(0x0c, &[2, 8], &[0; 64])),
        ("bad-type", idx_file(0x55, &[1], &[0])),
        ("bad-rank-0", idx_file(8, &[], &[])),
        ("bad-rank-255", vec![0, 0, 8, 255, 0, 0, 0, 1]),
        ("bad-header", vec![0, 0, 8, 3, 0, 0]),
        ("bad-truncated", idx_file(8, &[2, 8, 8], &[7; 127])),
        ("bad-longer", idx_file(8, &[2, 8, 8], &[7; 129])),
        ("bad-huge", idx_file(8, &[u32::MAX, u32::MAX, u32::MAX], &[7; 16])),
        ("bad-gigabyte", idx_file(8, &[1 << 30], &[7; 16])),
        ("bad-overflow", idx_file(8, &[1 << 31, 1 << 31, 4], &[])),
    ]
}

fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    gzip.write_all(bytes).expect("packing");
    gzip.finish().expect("packing")
}

fn gzip() -> Files {
    let good: Vec<u8> = (0u32..128).map(|i| (i * 37 % 251) as u8).collect();
    let good = packed(&idx_file(8, &[2, 8, 8], &good));
    let mut checksum = good.clone();
    let place = checksum.len() - 8;
    checksum[place] ^= 1;
    let halves = [packed(&[0, 0, 8, 1, 0, 0, 0, 4]), packed(&[1, 2, 3, 4])].concat();
    vec![
        ("mnist-like.gz", good.clone()),
        ("two-members.gz", halves),
        ("raw-idx", idx_file(8, &[2], &[1, 2])),
        ("bad-html.gz", packed(HTML)),
        ("bad-truncated.gz", good[..good.len() - 12].to_vec()),
        ("bad-checksum.gz", checksum),
        ("bad-header-only.gz", good[..10].to_vec()),
        // The header says 128 bytes; a megabyte follows.
        ("bad-bomb.gz", packed(&idx_file(8, &[2, 8, 8], &vec![0; 1 << 20]))),
        // The header says a gigabyte; a megabyte follows.
        ("bad-promise.gz", packed(&idx_file(8, &[1 << 30], &vec![0; 1 << 20]))),
        ("bad-garbage-behind.gz", [&good[..], b"garbage"].concat()),
    ]
}

fn npy(descr: &str, order: &str, shape: &str, items: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}\n");
    [b"\x93NUMPY\x01\x00", &(header.len() as u16).to_le_bytes()[..], header.as_bytes(), items].concat()
}

fn npz() -> Files {
    let images =
        npy("'|u1'", "False", "(2, 8, 8)", &(0u32..128).map(|i| (i * 37 % 251) as u8).collect::<Vec<u8>>());
    let labels = npy("'<i8'", "False", "(2,)", &[[1, 0, 0, 0, 0, 0, 0, 0], [0; 8]].concat());
    let set = |names: [&str; 4], change: Option<(usize, Vec<u8>)>| {
        let mut contents = [images.clone(), labels.clone(), images.clone(), labels.clone()];
        if let Some((place, content)) = change {
            contents[place] = content;
        }
        let members: Vec<(&str, &[u8])> = names.into_iter().zip(contents.iter().map(Vec::as_slice)).collect();
        zip(&members)
    };
    let keras = ["x_train.npy", "y_train.npy", "x_test.npy", "y_test.npy"];
    let medmnist = ["train_images.npy", "train_labels.npy", "test_images.npy", "test_labels.npy"];
    let changed = |place, content| set(keras, Some((place, content)));
    let pickle = b"\x80\x04cos\nsystem\n(S'id'\ntR.";
    let mut checksum = set(keras, None);
    checksum[100] ^= 1;
    // The list claims 65,535 members.
    let mut count = set(keras, None);
    let end = count.len() - 22;
    count[end + 8..end + 12].fill(0xff);
    // The list claims to be almost as long as a list may be.
    let mut length = set(keras, None);
    length[end + 12..end + 16].copy_from_slice(&((16u32 << 20) - 1).to_le_bytes());
    vec![
        ("keras.npz", set(keras, None)),
        ("medmnist.npz", set(medmnist, None)),
        // Alone it is read with one label.
        ("bad-two-images", images.clone()),
        ("labels", npy("'|u1'", "False", "(1,)", &[3])),
        ("one-image", npy("'|u1'", "False", "(1, 8, 8)", &[3; 64])),
        ("bad-empty", Vec::new()),
        ("bad-html.npz", HTML.to_vec()),
        ("bad-other-names.npz", set(["X.npy", "y.npy", "../x_train.npy", "/etc/passwd"], None)),
        ("bad-twice.npz", set(["x_train.npy"; 4], None)),
        ("bad-checksum.npz", checksum),
        ("bad-count.npz", count),
        ("bad-length.npz", length),
        ("bad-truncated.npz", set(keras, None)[..300].to_vec()),
        ("bad-objects.npz", changed(0, npy("'|O'", "False", "(2,)", pickle))),
        ("bad-floats.npz", changed(0, npy("'<f4'", "False", "(2, 8, 8)", &[0; 512]))),
        ("bad-fortran.npz", changed(0, npy("'|u1'", "True", "(2, 8, 8)", &[0; 128]))),
        ("bad-huge.npz", changed(0, npy("'|u1'", "False", "(4294967296, 4294967296, 4294967296)", &[]))),
        ("bad-promise.npz", changed(0, npy("'|u1'", "False", "(60000, 28, 28)", &[0; 8]))),
        ("bad-negative.npz", changed(1, npy("'|i1'", "False", "(2,)", &[255, 0]))),
        ("bad-header.npz", changed(0, b"\x93NUMPY\x02\x00\xff\xff\xff\x7f{".to_vec())),
    ]
}

/// A safetensors file with this header.
fn tensors(header: &str, data: &[u8]) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), data].concat()
}

fn safetensors() -> Files {
    let weight = r#"{"weight":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#;
    let images = r#"{"images":{"dtype":"U8","shape":[1,1,8,8],"data_offsets":[0,64]}}"#;
    let entry = |i: usize| format!(r#""t{i}":{{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}"#);
    let many = format!("{{{}}}", (0..200).map(entry).collect::<Vec<_>>().join(","));
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(2000), "]".repeat(2000));
    vec![
        ("weight", tensors(weight, &[0; 8])),
        ("images", tensors(images, &[9; 64])),
        ("header-of-zeros", br#"{"a":{"dtype":"F32","shape":[64],"data_offsets":[0,256]}}"#.to_vec()),
        ("many", tensors(&many, &[])),
        ("metadata", tensors(r#"{"__metadata__":{"dm":"{\"step\":\"1\"}"}}"#, &[])),
        ("bad-empty", Vec::new()),
        ("bad-html", HTML.to_vec()),
        ("bad-lfs-pointer", POINTER.to_vec()),
        ("bad-length", [&[255; 8], &b"{}"[..]].concat()),
        ("bad-length-of-100-mb", [&100_000_000u64.to_le_bytes(), &b"{}"[..]].concat()),
        ("bad-truncated", tensors(weight, &[0; 7])),
        ("bad-longer", tensors(weight, &[0; 9])),
        (
            "bad-overlap",
            tensors(
                r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}"#,
                &[0; 12],
            ),
        ),
        ("bad-gap", tensors(r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#, &[0; 8])),
        (
            "bad-shape-overflow",
            tensors(
                r#"{"a":{"dtype":"F32","shape":[4294967296,4294967296,4294967296],"data_offsets":[0,8]}}"#,
                &[0; 8],
            ),
        ),
        ("bad-backwards", tensors(r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[8,4]}}"#, &[0; 8])),
        ("bad-nan", tensors(weight, &[0, 0, 0, 0, 0, 0, 0xc0, 0x7f])),
        (
            "bad-f32-images",
            tensors(r#"{"images":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#, &[0, 0, 0xc0, 0x7f]),
        ),
        (
            "bad-no-images",
            tensors(r#"{"images":{"dtype":"U8","shape":[0,1,28,28],"data_offsets":[0,0]}}"#, &[]),
        ),
        ("bad-deep", tensors(&deep, &[])),
        ("bad-metadata", tensors(r#"{"__metadata__":{"dm":"[]"}}"#, &[])),
    ]
}

/// The pickle of a state_dict with one tensor.
fn state_dict(storage: &str, shape: &[u8], strides: &[u8]) -> Vec<u8> {
    let tuple = |sizes: &[u8]| {
        [b"(", &sizes.iter().flat_map(|&size| [b'K', size]).collect::<Vec<_>>()[..], b"t"].concat()
    };
    let text = |text: &str| [b"X", &(text.len() as u32).to_le_bytes()[..], text.as_bytes()].concat();
    [
        b"\x80\x02}q\x00".to_vec(),
        text("weight"),
        b"ctorch._utils\n_rebuild_tensor_v2\n((".to_vec(),
        text("storage"),
        format!("ctorch\n{storage}\n").into_bytes(),
        text("0"),
        text("cpu"),
        b"K\x40tQK\x00".to_vec(),
        tuple(shape),
        tuple(strides),
        b"\x89}tRs.".to_vec(),
    ]
    .concat()
}

fn pth() -> Files {
    let values: Vec<u8> = (0..6u32).flat_map(|i| (i as f32).to_le_bytes()).collect();
    let file = |pickle: &[u8], order: &[u8]| {
        zip(&[("archive/data.pkl", pickle), ("archive/byteorder", order), ("archive/data/0", &values)])
    };
    let good = state_dict("FloatStorage", &[2, 3], &[3, 1]);
    let mut doubling = b"\x80\x02)q\x00".to_vec();
    doubling.extend(b"h\x00h\x00\x86q\x00".repeat(200));
    doubling.push(b'.');
    let deep = [vec![b']'; 2000], vec![b'a'; 1999], vec![b'.']].concat();
    let mut circle = b"\x80\x02}q\x00X\x01\x00\x00\x00ah\x00s.".to_vec();
    circle.extend(&good);
    vec![
        ("model.pth", file(&good, b"little")),
        ("pickle", good.clone()),
        ("transposed", state_dict("FloatStorage", &[3, 2], &[1, 3])),
        ("half", state_dict("HalfStorage", &[2], &[1])),
        ("bad-empty", Vec::new()),
        ("bad-html", HTML.to_vec()),
        ("bad-lfs-pointer", POINTER.to_vec()),
        ("bad-old-format", b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.".to_vec()),
        ("bad-big-endian.pth", file(&good, b"big")),
        ("bad-integers", state_dict("LongStorage", &[2], &[1])),
        ("bad-beyond", state_dict("FloatStorage", &[200, 200], &[200, 1])),
        ("bad-call", b"\x80\x02cos\nsystem\n(X\x02\x00\x00\x00idtR.".to_vec()),
        ("bad-long-text", b"\x80\x02X\xff\xff\xff\xff.".to_vec()),
        ("bad-long-number", [b"\x80\x02\x8a\xff", &[0x7f; 255][..], b"."].concat()),
        ("bad-doubling", doubling),
        ("bad-deep", deep),
        ("bad-circle", circle),
    ]
}

fn config() -> Files {
    let with = |from: &str, to: &str| {
        assert!(CONFIG.contains(from));
        CONFIG.replace(from, to).into_bytes()
    };
    let other = |degradation: &str, parameterization: &str| {
        let text = CONFIG.replace("\"gaussian\"", degradation).replace("\"v\"", parameterization);
        text.into_bytes()
    };
    vec![
        ("gaussian.toml", CONFIG.as_bytes().to_vec()),
        ("ink.toml", other("\"ink\"", "\"softmax\"")),
        ("blur.toml", other("\"blur\"", "\"x0\"")),
        ("classifier.toml", b"name = \"c\"\n[classifier]\nchannels = [4]\nfeatures = 4\n".to_vec()),
        ("bad-empty", Vec::new()),
        ("bad-html", HTML.to_vec()),
        ("bad-syntax.toml", b"name = \n".to_vec()),
        ("bad-utf8.toml", b"name = \"\xff\"\n".to_vec()),
        ("bad-key.toml", with("epochs", "epoch")),
        ("bad-name-parent.toml", with("tiny", "../x")),
        ("bad-name-dots.toml", with("tiny", "..")),
        ("bad-name-newline.toml", with("tiny", "a\\nb")),
        ("bad-seed.toml", with("[network]", "seed = 9223372036854775808\n[network]")),
        ("bad-timesteps.toml", with("timesteps = 10", "timesteps = 9223372036854775807")),
        (
            "bad-image.toml",
            with("[network]", "image = { channels = 9223372036854775807, height = 9, width = 9 }\n[network]"),
        ),
        ("bad-channels.toml", with("[4]", "[9223372036854775807]")),
        ("bad-nan.toml", with("[training]", "[optimizer]\nlearning_rate = nan\n[training]")),
        ("bad-deep.toml", format!("a = {}{}", "[".repeat(1000), "]".repeat(1000)).into_bytes()),
    ]
}

/// An image as a file.
fn image_file(image: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image.into().write_to(&mut bytes, format).expect("packing");
    bytes.into_inner()
}

fn grey(width: u32, height: u32) -> GrayImage {
    GrayImage::from_fn(width, height, |x, y| Luma([(x * 31 + y * 7) as u8]))
}

fn png() -> Files {
    let file = |image: DynamicImage| image_file(image, ImageFormat::Png);
    let good = file(grey(8, 8).into());
    let mut huge = good.clone();
    huge[16..24].copy_from_slice(&[0x7f; 8]);
    let mut checksum = good.clone();
    checksum[29] ^= 1;
    let deep = image::ImageBuffer::from_fn(8, 8, |x, y| Luma([(257 * x * y) as u16]));
    vec![
        ("grey.png", good.clone()),
        ("colour.png", file(RgbImage::from_fn(8, 8, |x, y| Rgb([x as u8, y as u8, 200])).into())),
        ("deep.png", file(DynamicImage::ImageLuma16(deep))),
        ("large.png", file(grey(60, 40).into())),
        ("bad-empty", Vec::new()),
        ("bad-html", HTML.to_vec()),
        ("bad-lfs-pointer", POINTER.to_vec()),
        ("bad-transparent.png", file(RgbaImage::from_pixel(8, 8, Rgba([1, 2, 3, 255])).into())),
        ("bad-huge.png", huge),
        ("bad-checksum.png", checksum),
        ("bad-truncated.png", good[..good.len() / 2].to_vec()),
        ("bad-gif.png", b"GIF89a\x08\x00\x08\x00\x00\x00\x00;".to_vec()),
    ]
}

fn jpeg() -> Files {
    let file = |image: DynamicImage| image_file(image, ImageFormat::Jpeg);
    let good = file(grey(8, 8).into());
    let size = good.windows(2).position(|pair| pair == [0xff, 0xc0]).expect("a frame header");
    let mut huge = good.clone();
    huge[size + 5..size + 9].fill(0xff);
    let mut empty = good.clone();
    empty[size + 5..size + 9].fill(0);
    let colour = file(RgbImage::from_fn(8, 8, |x, y| Rgb([x as u8, y as u8, 200])).into());
    // The second of the three components has two by four samples, the first one by one.
    let mut finer = colour.clone();
    let frame = finer.windows(2).position(|pair| pair == [0xff, 0xc0]).expect("a frame header");
    (finer[frame + 11], finer[frame + 14]) = (0x11, 0x24);
    vec![
        ("grey.jpg", good.clone()),
        ("colour.jpg", colour),
        ("bad-sampling.jpg", finer),
        ("large.jpg", file(grey(60, 40).into())),
        ("bad-empty", Vec::new()),
        ("bad-html", HTML.to_vec()),
        ("bad-huge.jpg", huge),
        ("bad-no-size.jpg", empty),
        ("bad-truncated.jpg", good[..size + 4].to_vec()),
    ]
}

fn folder() -> Files {
    let list = |names: &[&str]| names.join("\n").into_bytes();
    vec![
        ("flat", list(&["a.png", "b.png", "c.jpeg", "notes.txt", ".hidden.png"])),
        ("classes", list(&["cat/1.png", "cat/2.png", "dog/1.png"])),
        ("sets", list(&["train/a/1.png", "test/a/1.png"])),
        ("numbers", list(&["10/a.png", "9/a.png", "2/a.png"])),
        ("unicode", list(&["\u{e9}\u{65e5}.png", "b.png"])),
        ("bad-empty", Vec::new()),
        ("bad-single", list(&["a.png"])),
        ("bad-deep", list(&["a/b/c.png"])),
        ("bad-mixed", list(&["a.png", "b/c.png"])),
        ("bad-empty-class", list(&["a/1.png", "a/2.png", "b/"])),
        ("bad-class-of-test", list(&["train/a/1.png", "test/b/1.png"])),
        ("bad-control", list(&["a.png", "b\r.png"])),
        ("bad-escape", list(&["a.png", "b\u{1b}[2J.png"])),
        ("bad-direction", list(&["a.png", "b\u{202e}gnp.png"])),
    ]
}

fn names() -> Files {
    vec![
        ("plain", b"ink-unet_2.1".to_vec()),
        ("hundred", vec![b'a'; 100]),
        ("override", b"training.epochs=3".to_vec()),
        ("override-name", b"name=other".to_vec()),
        ("override-table", b"data={path=\"x\"}".to_vec()),
        ("bad-empty", Vec::new()),
        ("bad-dot", b".".to_vec()),
        ("bad-dots", b"..".to_vec()),
        ("bad-hidden", b".git".to_vec()),
        ("bad-parent", b"../../etc/passwd".to_vec()),
        ("bad-absolute", b"/etc/passwd".to_vec()),
        ("bad-backslash", b"..\\x".to_vec()),
        ("bad-control", b"a\x1b[2Jb\n".to_vec()),
        ("bad-nul", b"a\0b".to_vec()),
        ("bad-unicode", "a\u{202e}b".as_bytes().to_vec()),
        ("bad-ten-thousand", vec![b'a'; 10_000]),
        ("bad-override-name", b"name=../x".to_vec()),
        ("bad-override-deep", ["a.".repeat(5000).as_bytes(), b"a=1"].concat()),
    ]
}

/// An input that replaces the metadata entry with this number, see [`with_entry`].
fn entry(number: u8, text: &str) -> Vec<u8> {
    [&[number], text.as_bytes()].concat()
}

fn model() -> Files {
    let run = tiny_run();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("model.safetensors");
    let whole = with_entry(&run.model, &path, &MODEL_ENTRIES, &[]);
    let toml = run.config.to_toml().expect("a config");
    let large = toml.replace("channels = [4]", "channels = [1024, 1024, 1024, 1024, 1024]");
    vec![
        ("model.safetensors", whole.clone()),
        ("config", entry(0, &toml)),
        ("step", entry(4, "12")),
        ("bad-truncated", whole[..whole.len() / 2].to_vec()),
        ("bad-empty-config", entry(0, "")),
        ("bad-large-network", entry(0, &large)),
        ("bad-name", entry(0, &toml.replace("\"tiny\"", "\"../../x\""))),
        ("bad-image", entry(0, &toml.replace("height = 8", "height = 8000000000"))),
        ("bad-classes", entry(0, &toml.replace("num_classes = 2", "num_classes = 9000000000000000000"))),
        ("bad-class-names", entry(2, "[\"a\"]")),
        ("bad-schema", entry(3, "3")),
        ("old-schema", entry(3, "1")),
        ("bad-step", entry(4, "-1")),
        ("bad-fitted", entry(1, "[1e999]")),
    ]
}

fn checkpoint() -> Files {
    let run = tiny_run();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("checkpoint.safetensors");
    let whole = with_entry(&run.checkpoint, &path, &CHECKPOINT_ENTRIES, &[]);
    vec![
        ("checkpoint.safetensors", whole.clone()),
        ("step", entry(0, "1")),
        ("bad-truncated", whole[..whole.len() / 2].to_vec()),
        ("bad-step", entry(0, "3000000000")),
        ("bad-loss", entry(1, "{\"sum\":1e999,\"count\":-1}")),
        ("bad-time", entry(2, "-1")),
        ("bad-time-nan", entry(2, "NaN")),
        ("bad-data", entry(3, "0")),
        ("bad-losses", entry(4, "[[],[]]")),
    ]
}

fn record() -> Files {
    let manifest = r#"{"schema":2,"status":"running","name":"tiny","parameters":1,"steps_total":1,"steps_done":0,"epochs":1,"wall_s":0.5}"#;
    let step = r#"{"event":"step","step":20,"epoch":1,"loss":0.68,"lr":1e-4}"#;
    let epoch = r#"{"event":"epoch","step":20,"epoch":1,"train_loss":null,"val_loss":0.5}"#;
    let eval = r#"{"event":"eval","step":10,"epoch":1,"n":1000,"judge_sha256":"a","fd":3.5,"fd_infinity":null,"precision":0.5,"recall":0.25}"#;
    let pca = r#"{"schema":1,"explained":[0.5,0.25],"reference":[[1,2]],"generated":[[3.5,-1e300]]}"#;
    let restoration = r#"{"schema":1,"n":2,"sampler":"bridge","restoration":[{"t":5,"steps":10,"degraded":{"psnr":1,"ssim":null},"estimate":{"psnr":2,"ssim":0.5},"restored":{"psnr":3,"ssim":0.75}}]}"#;
    let text = |text: &str| text.as_bytes().to_vec();
    vec![
        ("manifest.json", text(manifest)),
        ("step.json", text(step)),
        ("epoch.json", text(epoch)),
        ("eval.json", text(eval)),
        ("pca.json", text(pca)),
        ("restoration.json", text(restoration)),
        ("summary.json", text("[]")),
        ("bad-empty", Vec::new()),
        ("bad-html", HTML.to_vec()),
        ("bad-cut.json", text(&manifest[..manifest.len() / 2])),
        ("bad-huge-number.json", text(&manifest.replace("\"steps_total\":1", "\"steps_total\":1e400"))),
        ("bad-deep.json", [vec![b'['; 5000], vec![b']'; 5000]].concat()),
        ("bad-line-break.json", text("{\"event\":\"st\u{1b}ep\nx\"}")),
    ]
}
