//! A small classifier, whose features are used to compare sets of images.
//!
//! 3x3 convolutions with ReLU at several resolutions are followed by hidden linear layers with ReLU if there are any, a linear
//! layer to the features, ReLU, and a linear layer to one logit per class. Without convolutions it is a multilayer perceptron. The features are taken before the last ReLU: after it, units that are never active would
//! make the covariance of the features singular. There is no normalisation. A classifier with GroupNorm was tried and gave
//! features that hardly change when noise is added to an image: images with noise of 0.1 scored better than 100 repeated
//! images.

use candle_core::Tensor;
use serde::{Deserialize, Serialize};

use super::layers::{Conv, Linear};
use crate::error::check_range;
use crate::image::ImageShape;
use crate::onnx::{Axis, ElementType, Graph};
use crate::params::Path;
use crate::params::file::TensorFile;
use crate::planes::Planes;

/// Configuration of the classifier.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ClassifierConfig {
    /// Channels at each of the 0 to 5 levels. Level 0 has the full resolution; each further level halves height and width,
    /// rounding up. Without a level the network has no convolutions.
    pub channels: Vec<usize>,
    /// Widths of up to 8 hidden linear layers between the convolutions and the features.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hidden: Vec<usize>,
    /// Number of features.
    pub features: usize,
}

impl Default for ClassifierConfig {
    fn default() -> Self {
        Self { channels: vec![16, 32, 64], hidden: Vec::new(), features: 64 }
    }
}

/// The output of the classifier for a batch.
pub struct ClassifierOutput {
    /// [B, features], before the last activation.
    pub features: Tensor,
    /// [B, num_classes], before the softmax.
    pub logits: Tensor,
}

/// The classifier, built by [`ClassifierConfig::build`].
pub struct ClassifierNet {
    /// The convolution to level 0; none without levels.
    input: Option<Conv>,
    shrink: Vec<Conv>,
    convs: Vec<Conv>,
    hidden: Vec<Linear>,
    features: Linear,
    classes: Linear,
}

impl ClassifierConfig {
    /// Checks every field.
    ///
    /// # Errors
    /// If a field is outside its domain; the error names the first one.
    pub fn check(&self) -> crate::Result<()> {
        check_range("classifier.features", self.features, 1..=4096)?;
        check_range("classifier.channels: number of levels", self.channels.len(), 0..=5)?;
        self.channels.iter().try_for_each(|&c| check_range("classifier.channels", c, 1..=1024))?;
        check_range("classifier.hidden: number of layers", self.hidden.len(), 0..=8)?;
        self.hidden.iter().try_for_each(|&width| check_range("classifier.hidden", width, 1..=4096))
    }

    /// Builds a network for images of `shape` and `num_classes` classes, with its parameters from `path`.
    ///
    /// # Errors
    /// If the configuration is invalid, there are not 1 to 256 classes, or a parameter exists with another shape.
    pub fn build(
        &self,
        shape: ImageShape,
        num_classes: usize,
        mut path: Path<'_>,
    ) -> crate::Result<ClassifierNet> {
        self.check()?;
        check_range("number of classes", num_classes, 1..=256)?;
        let channels = &self.channels;
        let mut conv = |name: String, from, to| Conv::new(from, to, 3, path.pp(name));
        let input =
            channels.first().map(|&first| conv("input".to_owned(), shape.channels, first)).transpose()?;
        let pairs = || channels.iter().zip(channels.iter().skip(1)).enumerate();
        let shrink = pairs()
            .map(|(i, (&from, &to))| conv(format!("shrink.{i}"), from, to))
            .collect::<Result<_, _>>()?;
        let convs =
            pairs().map(|(i, (_, &to))| conv(format!("convs.{i}"), to, to)).collect::<Result<_, _>>()?;
        let halved = |side: usize| channels.iter().skip(1).fold(side, |side, _| side.div_ceil(2));
        let planes = channels.last().copied().unwrap_or(shape.channels);
        let mut width = planes * halved(shape.height) * halved(shape.width);
        let mut hidden = Vec::new();
        for (i, &to) in self.hidden.iter().enumerate() {
            hidden.push(Linear::new(width, to, path.pp(format!("hidden.{i}")))?);
            width = to;
        }
        Ok(ClassifierNet {
            input,
            shrink,
            convs,
            hidden,
            features: Linear::new(width, self.features, path.pp("features"))?,
            classes: Linear::new(self.features, num_classes, path.pp("classes"))?,
        })
    }

    /// The content of an ONNX file of a network for images of `shape` and `num_classes` classes, with its parameters from
    /// `weights`. The input is `x` [batch, C, H, W], values in [0, 1]; the outputs are `features` [batch, features] and
    /// `logits` [batch, num_classes]. The file also contains the entries of `metadata`.
    ///
    /// # Errors
    /// If the configuration is invalid, or a parameter is missing.
    pub fn to_onnx(
        &self,
        shape: ImageShape,
        num_classes: usize,
        weights: &TensorFile,
        metadata: &[(&str, &str)],
    ) -> crate::Result<Vec<u8>> {
        self.check()?;
        let mut graph = Graph::new(weights);
        let axes =
            [Axis::Batch, Axis::Size(shape.channels), Axis::Size(shape.height), Axis::Size(shape.width)];
        let x = graph.input("x", ElementType::F32, &axes, "images, values in 0 to 1");
        let input = self.channels.first().map(|_| ("input".to_owned(), 1));
        let levels = 0..self.channels.len().saturating_sub(1);
        let convs = levels.flat_map(|i| [(format!("shrink.{i}"), 2), (format!("convs.{i}"), 1)]);
        let mut h = x;
        for (name, stride) in input.into_iter().chain(convs) {
            h = graph.conv(&name, &h, stride)?;
            h = graph.apply("Relu", &[&h], &[]);
        }
        let mut h = graph.apply("Flatten", &[&h], &[]);
        for i in 0..self.hidden.len() {
            h = graph.linear(&format!("hidden.{i}"), &h)?;
            h = graph.apply("Relu", &[&h], &[]);
        }
        let features = graph.linear("features", &h)?;
        let active = graph.apply("Relu", &[&features], &[]);
        let logits = graph.linear("classes", &active)?;
        graph.output(
            "features",
            &features,
            &[Axis::Batch, Axis::Size(self.features)],
            "features before ReLU",
        );
        graph.output("logits", &logits, &[Axis::Batch, Axis::Size(num_classes)], "logits of the classes");
        Ok(graph.into_file("classifier", metadata))
    }
}

impl ClassifierNet {
    /// Classifies the images `x` [B, C, H, W], values in [0, 1].
    ///
    /// # Errors
    /// If the shape does not fit the network.
    pub fn forward(&self, x: &Tensor) -> candle_core::Result<ClassifierOutput> {
        self.run(&Planes::enter(x)?)
    }

    /// Like [`Self::forward`], for planes in the engine or in candle.
    ///
    /// # Errors
    /// If the shape does not fit the network.
    pub fn run(&self, x: &Planes) -> candle_core::Result<ClassifierOutput> {
        let Some(input) = &self.input else { return self.head(&x.leave()?.flatten_from(1)?) };
        let mut h = input.forward(x)?.relu()?;
        for (shrink, conv) in self.shrink.iter().zip(&self.convs) {
            h = shrink.forward_half(&h)?.relu()?;
            h = conv.forward(&h)?.relu()?;
        }
        self.head(&h.leave()?.flatten_from(1)?)
    }

    /// The linear layers, from `x` [B, values].
    fn head(&self, x: &Tensor) -> candle_core::Result<ClassifierOutput> {
        let mut h = x.clone();
        for hidden in &self.hidden {
            h = hidden.forward(&h)?.relu()?;
        }
        let features = self.features.forward(&h)?;
        let logits = self.classes.forward(&features.relu()?)?;
        Ok(ClassifierOutput { features, logits })
    }
}
