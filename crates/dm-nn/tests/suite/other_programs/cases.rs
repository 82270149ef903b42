//! Networks of many kinds and shapes, with parameters and inputs.

use std::path::Path;

use candle_core::{Device, Tensor};
use dm_nn::image::ImageShape;
use dm_nn::nets::classifier::ClassifierConfig;
use dm_nn::nets::{BuildNetwork, Norm, RefCnnConfig, UNetConfig, to_onnx};
use dm_nn::params::Params;
use dm_nn::params::file::TensorFile;
use dm_nn::rng::{Purpose, Seed};

/// The seed of all parameters and inputs.
pub const SEED: Seed = Seed(5);
/// The stream of all numbers.
const NUMBERS: Purpose = Purpose(100);

/// The configuration of a network.
pub enum Config {
    /// A network of images and times, with the number of channels that it returns.
    Network(Box<dyn BuildNetwork>, usize),
    /// A classifier, with its number of classes.
    Classifier(ClassifierConfig, usize),
}

/// A network with inputs.
pub struct Case {
    /// A description for error messages.
    pub name: String,
    /// The parameters, of which none is zero.
    pub params: Params,
    config: Config,
    /// The shape of the inputs.
    input: ImageShape,
    /// Size of the batch.
    count: usize,
    /// The entries `config` and `image` of the metadata.
    metadata: [String; 2],
}

/// Networks of every kind: the default ones, and others whose shapes, levels, attention, classes and batch sizes are drawn.
pub fn cases() -> Vec<Case> {
    let mnist = ImageShape::new(1, 28, 28);
    let mut cases = vec![
        ref_cnn(RefCnnConfig::default(), mnist, 1, 3),
        ref_cnn(RefCnnConfig { channels: vec![5], norm: Norm::Plane }, ImageShape::new(2, 9, 14), 3, 1),
        unet(UNetConfig::default(), mnist, 1, 17),
        classifier(ClassifierConfig::default(), mnist, 10, 4),
    ];
    let mut rng = SEED.stream(NUMBERS, 0, 0);
    let mut below = |n: u64| rng.below(n) as usize;
    for _ in 0..8 {
        let levels = 1 + below(4);
        let side = |blocks: usize| (blocks << (levels - 1)).max(8);
        let shape = ImageShape::new(1 + below(4), side(1 + below(3)), side(1 + below(3)));
        let groups = [1, 2, 4][below(3)];
        let config = UNetConfig {
            channels: (0..levels).map(|_| groups * (1 + below(4))).collect(),
            groups,
            time_embed_dim: 5 + below(20),
            attention: (0..levels).filter(|_| below(2) == 0).collect(),
            num_classes: below(2) * (1 + below(12)),
        };
        cases.push(unet(config, shape, 1 + below(3), 1 + below(5)));

        let shape = ImageShape::new(1 + below(3), 8 + below(24), 8 + below(24));
        let channels = (0..=below(3)).map(|_| 1 + below(8)).collect();
        let norm = if below(2) == 0 { Norm::Joint } else { Norm::Plane };
        cases.push(ref_cnn(RefCnnConfig { channels, norm }, shape, 1 + below(3), 1 + below(5)));
        let channels = (0..below(5)).map(|_| 1 + below(8)).collect();
        let hidden = (0..below(3)).map(|_| 1 + below(12)).collect();
        let config = ClassifierConfig { channels, hidden, features: 1 + below(20) };
        cases.push(classifier(config, shape, 1 + below(12), 1 + below(5)));
    }
    cases
}

fn ref_cnn(config: RefCnnConfig, input: ImageShape, outputs: usize, count: usize) -> Case {
    let name = format!("{config:?}");
    case(name, String::new(), Config::Network(Box::new(config), outputs), input, count)
}

fn unet(config: UNetConfig, input: ImageShape, outputs: usize, count: usize) -> Case {
    let text = format!("[network]\nkind = \"unet\"\ngroups = {}\n", config.groups);
    let name = format!("{config:?}");
    case(name, text, Config::Network(Box::new(config), outputs), input, count)
}

fn classifier(config: ClassifierConfig, input: ImageShape, num_classes: usize, count: usize) -> Case {
    let name = format!("{config:?}");
    case(name, String::new(), Config::Classifier(config, num_classes), input, count)
}

fn case(name: String, config_text: String, config: Config, input: ImageShape, count: usize) -> Case {
    let params = Params::new(SEED, &Device::Cpu);
    let metadata = [config_text, serde_json::to_string(&input).unwrap()];
    let case =
        Case { name: format!("{name}, {input}, {count} images"), params, config, input, count, metadata };
    let params = case.build(Params::new(SEED, &Device::Cpu));
    // The last layers of fresh networks are zero.
    for (i, (_, var)) in params.iter().enumerate() {
        let noise = numbers(var.dims(), 1 + i as u64, 0.1);
        var.set(&(var.as_detached_tensor() + noise).unwrap()).unwrap();
    }
    Case { params, ..case }
}

fn numbers(dims: &[usize], index: u64, scale: f64) -> Tensor {
    let mut values = vec![0.0; dims.iter().product()];
    SEED.stream(NUMBERS, 1, index).fill_normal(&mut values);
    (Tensor::from_vec(values, dims, &Device::Cpu).unwrap() * scale).unwrap()
}

impl Case {
    /// `params` with the parameters of this network.
    pub fn build(&self, mut params: Params) -> Params {
        match &self.config {
            Config::Network(config, outputs) => {
                config.build(self.input, *outputs, params.frozen()).map(|_| ()).unwrap();
            }
            Config::Classifier(config, num_classes) => {
                config.build(self.input, *num_classes, params.frozen()).map(|_| ()).unwrap();
            }
        }
        params
    }

    /// The parameters and metadata, as a file at `path`.
    pub fn weights(&self, path: &Path) -> TensorFile {
        let mut file = TensorFile::new(path);
        self.params.iter().for_each(|(name, var)| file.insert(name, var).unwrap());
        file.set_metadata("config", &self.metadata[0]);
        file.set_metadata("image", &self.metadata[1]);
        file
    }

    /// The inputs, as a file at `path`: x, t for a network of times, and classes for a network that takes them.
    pub fn inputs(&self, path: &Path) -> TensorFile {
        let mut file = TensorFile::new(path);
        let (n, c, h, w) = self.input.dims(self.count);
        file.insert("x", &numbers(&[n, c, h, w], 0, 1.0)).unwrap();
        if let Config::Network(config, _) = &self.config {
            let times = (0..n).map(|i| i as f32 / n as f32).collect();
            file.insert_values("t", vec![n], times);
            let num_classes = config.num_classes();
            if num_classes > 0 {
                let classes = (0..n).map(|i| (i % (num_classes + 1)) as f32).collect();
                file.insert_values("classes", vec![n], classes);
            }
        }
        file
    }

    /// The network as an ONNX file.
    pub fn onnx(&self, weights: &TensorFile, metadata: &[(&str, &str)]) -> Vec<u8> {
        match &self.config {
            Config::Network(config, outputs) => to_onnx(&**config, self.input, *outputs, weights, metadata),
            Config::Classifier(config, classes) => config.to_onnx(self.input, *classes, weights, metadata),
        }
        .unwrap()
    }
}

/// The outputs of the network of `case` with the parameters `params`.
pub fn outputs(case: &Case, params: &Params) -> TensorFile {
    let path = Path::new("outputs");
    let inputs = case.inputs(path);
    let tensor = |name: &str| {
        let (shape, values) = inputs.get(name)?;
        Some(Tensor::from_slice(values, shape, &Device::Cpu).unwrap())
    };
    let x = tensor("x").unwrap();
    let mut params = params.deep_copy().unwrap();
    let mut outputs = TensorFile::new(path);
    match &case.config {
        Config::Network(config, count) => {
            let network = config.build(case.input, *count, params.frozen()).unwrap();
            let t = tensor("t").unwrap();
            let y = match inputs.get("classes") {
                None => network.forward(&x, &t),
                Some((_, classes)) => {
                    let classes: Vec<u8> = classes.iter().map(|&class| class as u8).collect();
                    network.forward_class(&x, &t, &classes)
                }
            };
            outputs.insert("y", &y.unwrap()).unwrap();
        }
        Config::Classifier(config, num_classes) => {
            let network = config.build(case.input, *num_classes, params.frozen()).unwrap();
            let output = network.forward(&x).unwrap();
            outputs.insert("features", &output.features).unwrap();
            outputs.insert("logits", &output.logits).unwrap();
        }
    }
    outputs
}
