//! Runes: letters of an endless alphabet, a few smooth pen strokes each, sized and centred as MNIST's digits are.

use dm_nn::data::{PIXELS, SIDE};
use dm_nn::rng::Rng;

/// A place on the page in pixels.
type Point = [f32; 2];

/// Straight pieces of a stroke.
const PIECES: usize = 12;
/// Longer side of the box that a rune fills, in pixels: as in MNIST.
const BOX: f32 = 20.0;
/// Least distance between the ends of a stroke, on a square of side one.
const SHORTEST: f32 = 0.45;

/// Draws one rune `[784]` in [0, 1]: two or three bent strokes that hang together, with a pen 2 to 3.4 pixels wide.
pub fn rune(rng: &mut Rng) -> Vec<f32> {
    let strokes = 2 + rng.below(2) as usize;
    let mut lines: Vec<Vec<Point>> = Vec::with_capacity(strokes);
    for _ in 0..strokes {
        // The pen goes on from somewhere on what is there, so that the strokes make one letter.
        let from = match lines.last() {
            Some(line) => line[rng.below(line.len() as u64) as usize],
            None => [rng.uniform(), rng.uniform()],
        };
        lines.push(stroke(from, rng));
    }
    let radius = 1.0 + 0.7 * rng.uniform();
    fit(&mut lines);
    let ink = centre(draw(&lines, radius), &mut lines);
    if ink { draw(&lines, radius) } else { vec![0.0; PIXELS] }
}

/// A quadratic Bezier curve from `from` to a place that is not too near, as [`PIECES`] straight pieces.
fn stroke(from: Point, rng: &mut Rng) -> Vec<Point> {
    let mut to = from;
    while distance(from, to) < SHORTEST {
        to = [rng.uniform(), rng.uniform()];
    }
    // Half of the strokes are nearly straight, the others bend to a side.
    let bend = if rng.uniform() < 0.5 { 0.15 } else { 1.0 } * (2.0 * rng.uniform() - 1.0);
    let middle: Point = std::array::from_fn(|i| 0.5 * (from[i] + to[i]));
    let via = [middle[0] + bend * (to[1] - from[1]), middle[1] - bend * (to[0] - from[0])];
    let at = |k: usize| {
        let u = k as f32 / PIECES as f32;
        std::array::from_fn(|i| (1.0 - u).powi(2) * from[i] + 2.0 * u * (1.0 - u) * via[i] + u * u * to[i])
    };
    (0..=PIECES).map(at).collect()
}

fn distance(a: Point, b: Point) -> f32 {
    (a[0] - b[0]).hypot(a[1] - b[1])
}

/// Scales the lines so that the longer side of their box is [`BOX`], less what the pen adds, and puts it on the page.
fn fit(lines: &mut [Vec<Point>]) {
    let (mut low, mut high) = ([f32::MAX; 2], [f32::MIN; 2]);
    for point in lines.iter().flatten() {
        for i in 0..2 {
            low[i] = low[i].min(point[i]);
            high[i] = high[i].max(point[i]);
        }
    }
    let scale = (BOX - 2.0) / (high[0] - low[0]).max(high[1] - low[1]).max(f32::MIN_POSITIVE);
    let middle = 0.5 * (SIDE as f32 - 1.0);
    for point in lines.iter_mut().flatten() {
        *point = std::array::from_fn(|i| middle + scale * (point[i] - 0.5 * (low[i] + high[i])));
    }
}

/// Moves the lines so that their ink, drawn as `image`, has its centre of mass in the middle of the page, as far as the
/// page allows; false if there is no ink.
fn centre(image: Vec<f32>, lines: &mut [Vec<Point>]) -> bool {
    let (mut mass, mut moment) = (0.0, [0.0; 2]);
    for (p, ink) in image.into_iter().enumerate() {
        mass += ink;
        moment[0] += ink * (p / SIDE) as f32;
        moment[1] += ink * (p % SIDE) as f32;
    }
    if mass <= 0.0 {
        return false;
    }
    let room = 0.5 * (SIDE as f32 - BOX) - 1.0;
    let shift: Point =
        std::array::from_fn(|i| (0.5 * (SIDE as f32 - 1.0) - moment[i] / mass).clamp(-room, room));
    for point in lines.iter_mut().flatten() {
        *point = [point[0] + shift[0], point[1] + shift[1]];
    }
    true
}

/// Ink of a round pen of this radius along the lines: full within, none half a pixel beyond.
fn draw(lines: &[Vec<Point>], radius: f32) -> Vec<f32> {
    let mut image = vec![0.0f32; PIXELS];
    let reach = radius + 0.5;
    let within = |v: f32| v.clamp(0.0, SIDE as f32 - 1.0) as usize;
    for pair in lines.iter().flat_map(|line| line.windows(2)) {
        let (a, b) = (pair[0], pair[1]);
        let range = |i: usize| within(a[i].min(b[i]) - reach)..=within(a[i].max(b[i]) + reach + 1.0);
        for (y, x) in range(0).flat_map(|y| range(1).map(move |x| (y, x))) {
            let ink = (reach - to_piece([y as f32, x as f32], a, b)).clamp(0.0, 1.0);
            let pixel = &mut image[y * SIDE + x];
            *pixel = pixel.max(ink);
        }
    }
    image
}

/// Distance of a point from a straight piece.
fn to_piece(point: Point, a: Point, b: Point) -> f32 {
    let (along, to) = ([b[0] - a[0], b[1] - a[1]], [point[0] - a[0], point[1] - a[1]]);
    let length = along[0] * along[0] + along[1] * along[1];
    let share = ((to[0] * along[0] + to[1] * along[1]) / length.max(f32::MIN_POSITIVE)).clamp(0.0, 1.0);
    distance(point, [a[0] + share * along[0], a[1] + share * along[1]])
}
