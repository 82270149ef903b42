//! The shapes that properties are tested with besides MNIST's: odd, not square, several channels, the smallest and large ones;
//! for each the registered degradations, fitted to made-up images.

use std::sync::OnceLock;

use dm_degrade::Degradation;
use dm_nn::data::Images;
use dm_nn::image::ImageShape;
use proptest::prelude::*;

use super::{Image, MNIST, built, images, made_up, processes, rng};

/// The shapes; MNIST's is the first.
pub const SHAPES: [ImageShape; 6] = [
    MNIST,
    ImageShape::new(1, 8, 8),
    ImageShape::new(3, 8, 13),
    ImageShape::new(3, 32, 32),
    ImageShape::new(2, 29, 17),
    ImageShape::new(1, 40, 65),
];

/// Forty made-up training images: bright in the middle, with a random brightness, some noise, and a black rim.
pub fn training_images(shape: ImageShape) -> Images {
    let mut stream = rng(1000, shape.len() as u64);
    let count = 40;
    let mut pixels = Vec::with_capacity(count * shape.len());
    for _ in 0..count {
        let brightness = 0.3 + 0.7 * stream.uniform();
        for _ in 0..shape.channels {
            let tint = 0.5 + 0.5 * stream.uniform();
            for (y, x) in (0..shape.height).flat_map(|y| (0..shape.width).map(move |x| (y, x))) {
                let [v, u] =
                    [(y, shape.height), (x, shape.width)].map(|(p, n)| (p as f32 + 0.5) / n as f32 - 0.5);
                let inside = (u * u + v * v) < 0.12;
                let value = brightness * tint * (0.6 + 0.4 * stream.uniform());
                pixels.push(if inside { (255.0 * value) as u8 } else { 0 });
            }
        }
    }
    Images { shape, num_classes: 0, pixels, labels: vec![0; count] }
}

/// The registered degradations for shape number `i`, built once.
pub fn processes_of(i: usize) -> &'static [Box<dyn Degradation>] {
    static ALL: [OnceLock<Vec<Box<dyn Degradation>>>; SHAPES.len()] =
        [const { OnceLock::new() }; SHAPES.len()];
    if i == 0 { processes() } else { ALL[i].get_or_init(|| built(&training_images(SHAPES[i]))) }
}

/// The number of a shape, and an image of it. Half of the images are of MNIST's shape.
pub fn shaped_images() -> impl Strategy<Value = (usize, Image)> {
    prop_oneof![
        1 => images().prop_map(|image| (0, image)),
        1 => (1..SHAPES.len()).prop_flat_map(|i| made_up(SHAPES[i].len()).prop_map(move |image| (i, image))),
    ]
}
