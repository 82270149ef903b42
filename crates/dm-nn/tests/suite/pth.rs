//! PyTorch checkpoints: nested dictionaries, types, strides, and files that are refused.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use dm_nn::params::checkpoint;
use dm_nn::params::pth::{read, read_checkpoint};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

/// A writer of pickles of protocol 2.
#[derive(Default)]
struct Pickle(Vec<u8>);

impl Pickle {
    fn op(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.extend(bytes);
        self
    }

    fn text(&mut self, text: &str) -> &mut Self {
        self.op(b"X").op(&(text.len() as u32).to_le_bytes()).op(text.as_bytes())
    }

    fn number(&mut self, value: i32) -> &mut Self {
        self.op(b"J").op(&value.to_le_bytes())
    }

    fn numbers(&mut self, values: &[i32]) -> &mut Self {
        self.op(b"(");
        values.iter().for_each(|value| {
            self.number(*value);
        });
        self.op(b"t")
    }

    fn class(&mut self, module: &str, name: &str) -> &mut Self {
        self.op(format!("c{module}\n{name}\n").as_bytes())
    }

    /// A tensor in the storage `key`, whose type is `storage`.
    fn tensor(&mut self, storage: &str, key: &str, offset: i32, shape: &[i32], strides: &[i32]) -> &mut Self {
        self.class("torch._utils", "_rebuild_tensor_v2").op(b"((");
        self.text("storage").class("torch", storage).text(key).text("cpu").number(99).op(b"tQ");
        self.number(offset).numbers(shape).numbers(strides);
        self.op(b"\x89").op(b"}").op(b"tR")
    }

    /// A dictionary of the entries that `write` pushes.
    fn dict(&mut self, write: impl FnOnce(&mut Self)) -> &mut Self {
        self.op(b"}(");
        write(self);
        self.op(b"u")
    }
}

/// Writes a checkpoint with a pickle, storages and further members.
fn save(path: &Path, write: impl FnOnce(&mut Pickle), storages: &[(&str, &[u8])], more: &[(&str, &[u8])]) {
    let mut pickle = Pickle::default();
    pickle.op(b"\x80\x02");
    write(&mut pickle);
    pickle.op(b".");
    let mut zip = ZipWriter::new(File::create(path).unwrap());
    let mut member = |name: &str, content: &[u8]| {
        zip.start_file(format!("archive/{name}"), SimpleFileOptions::default()).unwrap();
        zip.write_all(content).unwrap();
    };
    member("data.pkl", &pickle.0);
    storages.iter().for_each(|(key, content)| member(&format!("data/{key}"), content));
    more.iter().for_each(|(name, content)| member(name, content));
    zip.finish().unwrap();
}

fn floats(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

#[test]
fn types_and_strides_are_converted() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("model.pth");
    let six = floats(&[0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
    let doubles: Vec<u8> = [1.5f64, -2.25].iter().flat_map(|v| v.to_le_bytes()).collect();
    let write = |pickle: &mut Pickle| {
        pickle.dict(|pickle| {
            pickle.text("whole").tensor("FloatStorage", "0", 0, &[2, 3], &[3, 1]);
            pickle.text("transposed").tensor("FloatStorage", "0", 0, &[3, 2], &[1, 3]);
            pickle.text("part").tensor("FloatStorage", "0", 1, &[2, 1, 2], &[2, 9, 1]);
            pickle.text("repeated").tensor("FloatStorage", "0", 5, &[3], &[0]);
            pickle.text("scalar").tensor("FloatStorage", "0", 4, &[], &[]);
            pickle.text("double").tensor("DoubleStorage", "1", 0, &[2], &[1]);
            pickle.text("half").tensor("HalfStorage", "2", 0, &[2], &[1]);
            pickle.text("brain").tensor("BFloat16Storage", "3", 0, &[2], &[1]);
            pickle.text("steps").tensor("LongStorage", "4", 0, &[], &[]);
            pickle.text("epoch").number(3);
        });
    };
    let storages: [(&str, &[u8]); 5] = [
        ("0", &six),
        ("1", &doubles),
        ("2", &[0, 0x3c, 0, 0xc0]),
        ("3", &[0x80, 0x3f, 0, 0xc0]),
        ("4", &[7; 8]),
    ];
    save(&path, write, &storages, &[("byteorder", b"little")]);
    let checkpoint = read_checkpoint(&path, None).unwrap();
    let tensor = |name: &str| checkpoint.tensors.get(name).unwrap();
    assert_eq!(tensor("whole"), ([2, 3].as_slice(), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0].as_slice()));
    assert_eq!(tensor("transposed"), ([3, 2].as_slice(), [0.0, 3.0, 1.0, 4.0, 2.0, 5.0].as_slice()));
    assert_eq!(tensor("part"), ([2, 1, 2].as_slice(), [1.0, 2.0, 3.0, 4.0].as_slice()));
    assert_eq!(tensor("repeated").1, [5.0; 3]);
    assert_eq!(tensor("scalar"), ([].as_slice(), [4.0].as_slice()));
    assert_eq!((tensor("double").1, tensor("half").1), ([1.5, -2.25].as_slice(), [1.0, -2.0].as_slice()));
    assert_eq!(tensor("brain").1, [1.0, -2.0]);
    assert_eq!(checkpoint.tensors.names().count(), 8);
    let notes = checkpoint.notes.join("\n");
    for expected in [
        "double: converted from f64 to f32",
        "half: converted from f16 to f32",
        "brain: converted from bf16 to f32",
        "steps: ignored, because it holds no floats (LongStorage)",
    ] {
        assert!(notes.contains(expected), "{notes}");
    }
    save(&path, write, &storages, &[("byteorder", b"big")]);
    let message = read(&path).unwrap_err().to_string();
    assert!(message.contains("byteorder: found big, expected little"), "{message}");
}

#[test]
fn nested_state_dicts_are_found() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("model.pth");
    let value = floats(&[1.0, 2.0]);
    let state = |pickle: &mut Pickle, offset: i32| {
        pickle.dict(|pickle| {
            pickle.text("weight").tensor("FloatStorage", "0", offset, &[1], &[1]);
        });
    };
    let one = |pickle: &mut Pickle| {
        pickle.dict(|pickle| {
            pickle.text("epoch").number(4);
            pickle.text("loss").tensor("FloatStorage", "0", 0, &[], &[]);
            state(pickle.text("model_state_dict"), 1);
        });
    };
    save(&path, one, &[("0", &value)], &[]);
    assert_eq!(read(&path).unwrap().get("weight").unwrap().1, [2.0]);
    let two = |pickle: &mut Pickle| {
        pickle.dict(|pickle| {
            state(pickle.text("model"), 0);
            pickle.text("averages").dict(|pickle| state(pickle.text("ema"), 1));
        });
    };
    save(&path, two, &[("0", &value)], &[]);
    let message = read(&path).unwrap_err().to_string();
    assert!(message.contains("found several: averages.ema, model"), "{message}");
    let chosen = |key: &str| Some(read_checkpoint(&path, Some(key)).ok()?.tensors.get("weight")?.1[0]);
    assert_eq!((chosen("model"), chosen("averages.ema"), chosen("ema")), (Some(1.0), Some(2.0), None));
    // A key may also be what the names of some tensors begin with.
    let flat = |pickle: &mut Pickle| {
        pickle.dict(|pickle| {
            pickle.text("state").dict(|pickle| {
                pickle.text("net.weight").tensor("FloatStorage", "0", 0, &[1], &[1]);
                pickle.text("ema.net.weight").tensor("FloatStorage", "0", 1, &[1], &[1]);
            });
        });
    };
    save(&path, flat, &[("0", &value)], &[]);
    let prefix = |key: &str| read_checkpoint(&path, Some(key)).map(|checkpoint| checkpoint.prefix);
    assert_eq!((prefix("state").unwrap(), prefix("state.ema").unwrap()), (String::new(), "ema.".to_owned()));
    let message = prefix("averages").unwrap_err().to_string();
    assert!(message.contains("key `averages`: found no tensors") && message.contains("ema.net"), "{message}");
}

#[test]
fn errors_about_bad_checkpoints_name_the_file_or_the_tensor() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("model.pth");
    for (content, expected) in [
        (b"<!DOCTYPE html>".as_slice(), "an HTML page"),
        (b"version https://git-lfs.github.com/spec/v1", "git lfs pull"),
        (b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.", "PyTorch before version 1.6"),
        (b"PK\x03\x04", "a zip file written by torch.save(state_dict)"),
        (b"", "an empty file"),
    ] {
        fs::write(&path, content).unwrap();
        let message = read(&path).unwrap_err().to_string();
        assert!(message.contains(expected) && message.contains("model.pth"), "{message}");
        assert_eq!(message.lines().count(), 1);
    }
    let value = floats(&[1.0, f32::NAN]);
    for (offset, shape, strides, expected) in [
        (0, [2, 1].as_slice(), [1, 1].as_slice(), "weight, element 1: found NaN, expected a finite number"),
        (0, &[3], &[1], "weight: found 2 values in its storage, expected enough for [3]"),
        (2, &[1], &[1], "weight: found 2 values in its storage"),
        (0, &[2], &[i32::MAX], "weight: found 2 values in its storage"),
        (0, &[i32::MAX, i32::MAX], &[0, 0], "tensors of at most"),
        (0, &[-1], &[1], "state_dict: found no tensors"),
    ] {
        let write = |pickle: &mut Pickle| {
            pickle.dict(|pickle| {
                pickle.text("weight").tensor("FloatStorage", "0", offset, shape, strides);
            });
        };
        save(&path, write, &[("0", &value)], &[]);
        let message = read(&path).unwrap_err().to_string();
        assert!(message.contains(expected), "{message}");
        assert_eq!(message.lines().count(), 1);
    }
    // Calls in a pickle are data here; nothing is executed.
    let executed = dir.path().join("executed");
    let call = |pickle: &mut Pickle| {
        pickle.class("os", "system").op(b"(").text(&format!("touch {}", executed.display())).op(b"tR");
    };
    save(&path, call, &[], &[]);
    assert!(read(&path).unwrap_err().to_string().contains("found no tensors"));
    assert!(!executed.exists());
}

#[test]
fn safetensors_files_of_other_types_are_converted() {
    use safetensors::tensor::{Dtype, TensorView};
    let dir = tempfile::tempdir().unwrap();
    // The content decides, not the name.
    let path = dir.path().join("model.bin");
    let (single, double, huge) = (floats(&[1.0, 2.0]), 0.5f64.to_le_bytes(), 1e300f64.to_le_bytes());
    let view = |dtype, shape: &[usize], data| TensorView::new(dtype, shape.to_vec(), data).unwrap();
    let save = |tensors: Vec<(&str, TensorView<'_>)>| {
        fs::write(&path, safetensors::serialize(tensors, None).unwrap()).unwrap();
    };
    save(vec![
        ("net.single", view(Dtype::F32, &[2, 1], &single)),
        ("net.double", view(Dtype::F64, &[], &double)),
        ("net.half", view(Dtype::F16, &[1], &[0, 0x3c])),
        ("net.brain", view(Dtype::BF16, &[1], &[0, 0xc0])),
        ("steps", view(Dtype::I64, &[1], &[7; 8])),
    ]);
    let read = checkpoint::read(&path, Some("net")).unwrap();
    let tensor = |name: &str| read.tensors.get(name).unwrap();
    assert_eq!(tensor("net.single"), ([2, 1].as_slice(), [1.0, 2.0].as_slice()));
    assert_eq!((tensor("net.double").1, tensor("net.half").1), ([0.5].as_slice(), [1.0].as_slice()));
    assert_eq!((tensor("net.brain").1, read.prefix.as_str()), ([-2.0].as_slice(), "net."));
    let notes = read.notes.join("\n");
    assert!(notes.contains("steps: ignored") && notes.contains("net.half: converted from f16"), "{notes}");
    let refused = |key, expected: &str| {
        let message = checkpoint::read(&path, key).unwrap_err().to_string();
        assert!(message.contains("model.bin") && message.contains(expected), "{message}");
    };
    refused(Some("ema"), "key `ema`: found no tensors");
    save(vec![("x", view(Dtype::F64, &[], &huge))]);
    refused(None, "x, element 0: found inf, expected a finite number");
    save(vec![("x", view(Dtype::I8, &[1], &[1]))]);
    refused(None, "no tensors of floats");
}
