//! Properties for random image shapes: PSNR and SSIM, corruptions, the classifier, sets of images, and a metric of another crate.

use std::path::Path;

use crate::common::{SAMPLE, defined_ssim};
use candle_core::{Device, Tensor};
use dm_eval::corruption::CORRUPTIONS;
use dm_eval::protocol::{
    BaselineSets, EvalContext, ImageSet, METRICS, Metric, Outcomes, TrainingSet, evaluate, metrics_named,
    real_baseline, score_table, shuffled,
};
use dm_eval::restoration::restoration;
use dm_eval::sanity::{disorder, sanity_check};
use dm_eval::{Classifier, Direction, Features, Quantity, Result, Score, cache::Cache};
use dm_nn::image::{ImageShape, to_unit};
use dm_nn::nets::classifier::ClassifierConfig;
use dm_nn::params::Params;
use dm_nn::params::file::TensorFile;
use dm_nn::rng::Seed;
use proptest::prelude::*;

/// Shapes of 1 to 4 channels, mostly odd and not square.
fn shapes() -> impl Strategy<Value = ImageShape> {
    (1usize..=4, 8usize..=23, 8usize..=23).prop_map(|(channels, height, width)| ImageShape {
        channels,
        height,
        width,
    })
}

/// `n` images of random bytes.
fn random_pixels(shape: ImageShape, n: usize, seed: u64) -> Vec<u8> {
    let mut rng = Seed(seed).stream(SAMPLE, 0, 0);
    (0..n * shape.len()).map(|_| rng.below(256) as u8).collect()
}

/// `n` images of a bright rectangle on black, one class per position, with labels.
fn rectangles(shape: ImageShape, n: usize, classes: usize, seed: u64) -> (Vec<u8>, Vec<u8>) {
    let labels: Vec<u8> = (0..n).map(|i| (i % classes) as u8).collect();
    let pixels = labels.iter().enumerate().flat_map(|(i, &label)| {
        let mut rng = Seed(seed).stream(SAMPLE, i as u64, 1);
        let (top, left) = (usize::from(label) % 4 + rng.below(2) as usize, rng.below(3) as usize);
        let (rows, columns) = (top..top + shape.height / 3, left..left + shape.width / 3);
        let brightness = 128 + rng.below(128) as u8;
        (0..shape.len()).map(move |p| {
            let (y, x) = (p / shape.width % shape.height, p % shape.width);
            if rows.contains(&y) && columns.contains(&x) { brightness } else { 0 }
        })
    });
    (pixels.collect(), labels)
}

/// Writes an untrained classifier for images of `shape` to `path`, as `dm train` does.
fn write_classifier(path: &Path, shape: ImageShape, num_classes: usize, config: &ClassifierConfig) {
    let mut params = Params::new(Seed(3), &Device::Cpu);
    config.build(shape, num_classes, params.trainable()).unwrap();
    let mut file = TensorFile::new(path);
    for (name, var) in params.iter() {
        file.insert(name, var).unwrap();
    }
    file.set_metadata("schema", dm_degrade::SCHEMA);
    file.set_metadata("name", "untrained");
    file.set_metadata("classifier", serde_json::to_string(config).unwrap());
    file.set_metadata("image", serde_json::to_string(&shape).unwrap());
    file.set_metadata("num_classes", num_classes.to_string());
    file.set_metadata("test_accuracy", "0.25");
    file.write().unwrap();
}

fn small_classifier(shape: ImageShape, num_classes: usize) -> Classifier {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("classifier.safetensors");
    let config = ClassifierConfig { channels: vec![3, 4], features: 5, ..ClassifierConfig::default() };
    write_classifier(&path, shape, num_classes, &config);
    Classifier::read(&path, &Device::Cpu).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn similarity_follows_its_definition_channel_by_channel(shape in shapes(), seed in 0u64..1000) {
        let images = |seed| Features::from_pixels("images", shape, &random_pixels(shape, 2, seed)).unwrap();
        let (restored, original) = (images(seed), images(seed + 1));
        let found = restoration(&restored, &original, shape).unwrap();
        for i in 0..2 {
            let (x, y) = (restored.row(i), original.row(i));
            let error: f64 = x.iter().zip(y).map(|(a, b)| (a - b).powi(2)).sum::<f64>() / shape.len() as f64;
            prop_assert!((found.squared_error[i] - error).abs() < 1e-12);
            let planes = x.chunks(shape.pixels()).zip(y.chunks(shape.pixels()));
            let expected: f64 = planes.map(|(x, y)| defined_ssim(x, y, shape.height, shape.width)).sum();
            prop_assert!((found.ssim[i] - expected / shape.channels as f64).abs() < 1e-10);
        }
        // An image is identical to itself, and similarity is symmetric.
        let same = restoration(&original, &original, shape).unwrap();
        prop_assert!(same.ssim.iter().all(|s| (s - 1.0).abs() < 1e-12));
        prop_assert!(same.scores()[0].value == f64::INFINITY);
        let reverse = restoration(&original, &restored, shape).unwrap();
        prop_assert!(found.ssim.iter().zip(&reverse.ssim).all(|(a, b)| (a - b).abs() < 1e-12));
        // The same values as images of another shape are refused.
        let taller = ImageShape { height: shape.height + 1, ..shape };
        prop_assert!(restoration(&restored, &original, taller).is_err());
    }

    #[test]
    fn corruptions_keep_shape_and_number(shape in shapes(), n in 1usize..6, seed in 0u64..1000) {
        let pixels = random_pixels(shape, n, seed);
        let labels: Vec<u8> = (0..n).map(|i| (i % 2) as u8).collect();
        for corruption in CORRUPTIONS {
            let corrupted = corruption.apply(shape, &pixels, &labels).unwrap();
            prop_assert_eq!(corrupted.len(), pixels.len());
            // An image of a corrupted set does not depend on the images after it, unless images are mixed.
            if ["", "noise", "blur"].contains(&corruption.family) {
                let first = corruption.apply(shape, &pixels[..shape.len()], &labels[..1]).unwrap();
                prop_assert_eq!(&first[..], &corrupted[..shape.len()]);
            }
        }
    }

    #[test]
    fn features_do_not_depend_on_the_other_images(shape in shapes(), classes in 1usize..20, n in 1usize..5) {
        let classifier = small_classifier(shape, classes);
        prop_assert_eq!((classifier.shape, classifier.num_classes), (shape, classes));
        let pixels = random_pixels(shape, n, 7);
        let mut done = 0;
        let output = classifier.extract_features(&pixels, &mut |images| done = images).unwrap();
        prop_assert_eq!((done, output.n(), output.num_classes(), output.features.dim()), (n, n, classes, 5));
        let last = classifier.extract_features(&pixels[(n - 1) * shape.len()..], &mut |_| ()).unwrap();
        for (a, b) in output.features.row(n - 1).iter().zip(last.features.row(0)) {
            prop_assert!((a - b).abs() < 1e-4);
        }
        prop_assert!(output.labels().iter().all(|&label| usize::from(label) < classes));
        // Incomplete images, no images, and images of another shape.
        prop_assert!(classifier.extract_features(&pixels[1..], &mut |_| ()).is_err());
        prop_assert!(classifier.extract_features(&[], &mut |_| ()).is_err());
        prop_assert!(classifier.check_shape(shape, "images").is_ok());
        let other = ImageShape { channels: shape.channels + 1, ..shape };
        let message = classifier.check_shape(other, "images").unwrap_err().to_string();
        prop_assert!(message.contains(&other.to_string()) && message.contains(&shape.to_string()));
    }
}

#[test]
fn classifier_files_of_both_schemas_are_read() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("classifier.safetensors");
    let (mnist, config) = (ImageShape::new(1, 28, 28), ClassifierConfig::default());
    write_classifier(&path, mnist, 10, &config);
    let new = Classifier::read(&path, &Device::Cpu).unwrap();
    assert_eq!((new.name.as_str(), new.test_accuracy), ("untrained", 0.25));
    // A file of schema 1 has another key for the sizes, and neither shape nor number of classes.
    let file = TensorFile::read(&path).unwrap();
    let with = |entries: &[(&str, &str)]| {
        let mut copy = TensorFile::new(&path);
        for name in file.names() {
            let (shape, values) = file.get(name).unwrap();
            copy.insert(name, &Tensor::from_slice(values, shape, &Device::Cpu).unwrap()).unwrap();
        }
        copy.set_metadata("name", "untrained");
        copy.set_metadata("test_accuracy", "0.25");
        entries.iter().for_each(|(key, value)| copy.set_metadata(key, *value));
        copy.write().unwrap();
        Classifier::read(&path, &Device::Cpu)
    };
    let sizes = r#"{"channels":[16,32,64],"features":64}"#;
    let old = with(&[("schema", "1"), ("judge", sizes), ("name", "judge-2")]).unwrap();
    assert_eq!((old.shape, old.num_classes, old.name.as_str()), (mnist, 10, "classifier-2"));
    assert_ne!(old.sha256, new.sha256);
    let pixels = random_pixels(mnist, 2, 1);
    let extract = |classifier: &Classifier| classifier.extract_features(&pixels, &mut |_| ()).unwrap();
    assert_eq!(extract(&old), extract(&new));
    // The entry that is missing or wrong is named.
    let shape = r#"{"channels":1,"height":28,"width":28}"#;
    for (entries, words) in [
        (&[("schema", "1")][..], "metadata `classifier`: found none"),
        (&[("schema", "3"), ("classifier", sizes)], "schema: found 3, expected 1 or 2"),
        (&[("schema", "2"), ("classifier", "{}}"), ("image", shape)], "metadata `classifier`: found {}}"),
        (&[("schema", "2"), ("classifier", sizes)], "metadata `image`"),
        (&[("schema", "2"), ("classifier", sizes), ("image", shape)], "metadata `num_classes`"),
        (
            &[("schema", "2"), ("classifier", sizes), ("image", shape), ("num_classes", "11")],
            "classes.weight",
        ),
    ] {
        let message = with(entries).map(|_| ()).unwrap_err().to_string();
        assert!(message.contains(words), "{message:?} lacks {words:?}");
    }
}

/// The mean of all values, against that of the reference: a metric that is not in the list.
struct Brightness;

const BRIGHTNESS: Quantity =
    Quantity { name: "brightness", unit: "share of white", direction: Direction::Lower, source: "this test" };

impl Metric for Brightness {
    fn name(&self) -> &'static str {
        "brightness"
    }

    fn summary(&self) -> &'static str {
        "difference of the mean brightness"
    }

    fn quantities(&self) -> &'static [Quantity] {
        &[BRIGHTNESS]
    }

    fn compute(&self, images: &ImageSet, context: &EvalContext<'_>) -> Result<Vec<Score>> {
        let mean = |set: &ImageSet| {
            let mut values = vec![0.0; set.pixels.len()];
            to_unit(&set.pixels, &mut values);
            values.iter().map(|&v| f64::from(v)).sum::<f64>() / values.len() as f64
        };
        let reference = context.reference()?;
        let difference = (mean(images) - mean(reference)).abs();
        Ok(vec![BRIGHTNESS.score(difference, images.n(), reference.n(), "")])
    }
}

#[test]
fn the_protocol_evaluates_images_of_any_shape_with_any_metric() {
    let (shape, classes) = (ImageShape::new(3, 13, 9), 4);
    let classifier = small_classifier(shape, classes);
    let dir = tempfile::tempdir().unwrap();
    let cache = Cache::new(dir.path(), "test");
    let set = |name: &str, n, seed| {
        let (pixels, _) = rectangles(shape, n, classes, seed);
        ImageSet::new(name, pixels, &classifier, Some(&cache), &mut |_, _, _| {}).unwrap()
    };
    let (reference, mut unseen) = (set("reference", 80, 1), set("unseen", 70, 2));
    let sha256 = classifier.sha256.clone();
    let training = TrainingSet::new(set("training", 90, 3), &mut unseen, &sha256, &cache).unwrap();
    let context = EvalContext::new(&reference, Some(&training));
    let mut generated: Vec<ImageSet> = [4, 5].map(|seed| set("generated", 60, seed)).into();
    generated.iter_mut().for_each(|set| training.find_nearest(set, &cache).unwrap());

    let metrics: Vec<&dyn Metric> = METRICS.iter().copied().chain([&Brightness as &dyn Metric]).collect();
    let run = |set: &ImageSet| evaluate(set, &context, &metrics, &mut |_, _, _| {}).unwrap();
    let outcomes: Vec<_> = generated.iter().map(run).collect();
    // The quantities of a metric are those of its scores.
    for (metric, outcome) in metrics.iter().zip(&outcomes[0]) {
        let found: Vec<Quantity> = outcome.as_ref().unwrap().iter().map(|score| score.quantity).collect();
        assert_eq!(found, metric.quantities(), "{}", metric.name());
    }
    let real = reference.select("real", &shuffled(80, 80)).unwrap();
    let sets = BaselineSets { real: &real, unseen: &unseen, classifier_sha256: &sha256 };
    let baselines = real_baseline(&sets, &context, &metrics, 60, &cache, &mut |_, _, _| {}).unwrap();
    let table = score_table(&metrics, &Outcomes::Seeds(outcomes), &baselines);
    assert!(table.omitted.is_empty());
    assert!(table.rows.iter().all(|row| row.n == 60 && row.values.len() == 2 && row.interval.is_some()));
    assert!(table.rows.iter().all(|row| row.real_baseline.is_some()));
    assert_eq!(table.rows.iter().filter(|row| row.metric == "brightness").count(), 1);

    // Sets are joined and selected without computing anything again.
    let all = ImageSet::join("all", &generated.iter().collect::<Vec<_>>()).unwrap();
    assert_eq!((all.n(), all.unit_values().unwrap().dim()), (120, shape.len()));
    let second = all.part("second", 60, 120).unwrap();
    assert_eq!((&second.sha256, &second.output), (&generated[1].sha256, &generated[1].output));
    assert_eq!(second.nearest.unwrap().pixels, generated[1].nearest.as_ref().unwrap().pixels);
    assert!(ImageSet::join("none", &[]).is_err());
    assert!(all.part("empty", 5, 5).is_err() && all.part("beyond", 0, 121).is_err());
}

#[test]
fn metrics_are_found_by_name() {
    assert_eq!(metrics_named(&[]).unwrap().len(), METRICS.len());
    let names = ["manifold".to_owned(), "fd".to_owned()];
    let found: Vec<&str> = metrics_named(&names).unwrap().iter().map(|metric| metric.name()).collect();
    assert_eq!(found, ["manifold", "fd"]);
    let message = metrics_named(&["fid".to_owned()]).map(|_| ()).unwrap_err().to_string();
    assert!(message.contains("one of fd, fd-infinity") && message.contains("found fid"), "{message}");
}

#[test]
fn metrics_that_need_a_training_set_say_so() {
    let shape = ImageShape::new(1, 8, 10);
    let classifier = small_classifier(shape, 2);
    let (pixels, _) = rectangles(shape, 20, 2, 1);
    let images = ImageSet::new("images", pixels, &classifier, None, &mut |_, _, _| {}).unwrap();
    let context = EvalContext::new(&images, None);
    let metrics = metrics_named(&["memorised-pixels".to_owned(), "fd-infinity".to_owned()]).unwrap();
    let outcomes = evaluate(&images, &context, &metrics, &mut |_, _, _| {}).unwrap();
    assert!(outcomes[0].as_ref().unwrap_err().contains("nearest training images"));
    assert!(outcomes[1].as_ref().unwrap_err().contains("needs at least 60 images, found 20"));
}

#[test]
fn the_sanity_check_covers_images_of_any_shape() {
    let (shape, classes) = (ImageShape::new(3, 12, 15), 4);
    let classifier = small_classifier(shape, classes);
    let dir = tempfile::tempdir().unwrap();
    let cache = Cache::new(dir.path(), "test");
    let (pixels, labels) = rectangles(shape, 120, classes, 1);
    let (others, _) = rectangles(shape, 120, classes, 2);
    let reference = ImageSet::new("reference", others, &classifier, None, &mut |_, _, _| {}).unwrap();
    let check = |labels: &[u8]| {
        sanity_check(&classifier, &pixels, labels, &reference, &cache, &mut |_, _, _| {}).unwrap()
    };
    let results = check(&labels);
    assert_eq!(results.len(), CORRUPTIONS.len());
    assert!(results.iter().all(|result| result.fd.is_finite()));
    // All images are copies; those that occur twice do not count.
    assert!(results[0].memorised > 0.8 && results[0].memorised <= 1.0);
    // Uniform noise is worse than the images themselves, even for an untrained classifier.
    assert!(
        disorder(&results)
            .iter()
            .all(|pair| pair.stronger.name != "uniform noise" || pair.milder.name != results[0].name)
    );
    // There are no class means of a single class.
    let one_class = check(&[0; 120]);
    assert_eq!(one_class.len(), CORRUPTIONS.len() - 1);
    assert!(one_class.iter().all(|result| result.name != "class means"));
}
