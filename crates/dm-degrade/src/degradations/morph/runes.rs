//! Runes: letters of an endless alphabet, a few smooth pen strokes each, sized and centred as MNIST's digits are.

use dm_nn::image::ImageShape;
use dm_nn::rng::Rng;

/// A place on the page in pixels, row and column.
type Point = [f32; 2];
/// The points of one stroke.
type Stroke = [Point; PIECES + 1];

/// Straight pieces of a stroke.
const PIECES: usize = 12;
/// The largest number of strokes of a rune.
const MAX_STROKES: usize = 3;
/// The shorter side, in pixels, of the images that the next three constants are for.
const NOMINAL_SIDE: f32 = 28.0;
/// The longer side of the box that a rune fills, as in MNIST, in pixels.
const BOX: f32 = 20.0;
/// The smallest radius of the pen, and how much larger it may be, in pixels.
const RADIUS: f32 = 1.0;
const RADIUS_RANGE: f32 = 0.7;
/// The smallest distance between the ends of a stroke, on a square of side one.
const SHORTEST: f32 = 0.45;

/// Draws one rune into `out` `[H, W]`, in [0, 1]: two or three bent strokes that hang together, with a pen 2 to 3.4 pixels
/// wide on an image of 28 pixels.
pub fn rune(shape: ImageShape, rng: &mut Rng, out: &mut [f32]) {
    let page = Page { height: shape.height, width: shape.width };
    let count = 2 + rng.below(2) as usize;
    let mut strokes: [Stroke; MAX_STROKES] = [[[0.0; 2]; PIECES + 1]; MAX_STROKES];
    for i in 0..count {
        // The pen starts somewhere on the stroke before, so that the strokes make one letter.
        let from = match i.checked_sub(1) {
            Some(before) => strokes[before][rng.below(strokes[before].len() as u64) as usize],
            None => [rng.uniform(), rng.uniform()],
        };
        strokes[i] = stroke(from, rng);
    }
    let strokes = &mut strokes[..count];
    let radius = page.scale() * (RADIUS + RADIUS_RANGE * rng.uniform());
    page.fit(strokes);
    page.draw(strokes, radius, out);
    if page.centre(out, strokes) {
        page.draw(strokes, radius, out);
    }
}

/// A quadratic Bezier curve from `from` to a place that is not too near, as [`PIECES`] straight pieces.
fn stroke(from: Point, rng: &mut Rng) -> Stroke {
    let mut to = from;
    while distance(from, to) < SHORTEST {
        to = [rng.uniform(), rng.uniform()];
    }
    // Half of the strokes are nearly straight, the others bend to a side.
    let bend = if rng.uniform() < 0.5 { 0.15 } else { 1.0 } * (2.0 * rng.uniform() - 1.0);
    let middle: Point = std::array::from_fn(|i| 0.5 * (from[i] + to[i]));
    let via = [middle[0] + bend * (to[1] - from[1]), middle[1] - bend * (to[0] - from[0])];
    std::array::from_fn(|k| {
        let u = k as f32 / PIECES as f32;
        std::array::from_fn(|i| (1.0 - u).powi(2) * from[i] + 2.0 * u * (1.0 - u) * via[i] + u * u * to[i])
    })
}

fn distance(a: Point, b: Point) -> f32 {
    (a[0] - b[0]).hypot(a[1] - b[1])
}

/// The page that a rune is drawn on.
#[derive(Clone, Copy)]
struct Page {
    height: usize,
    width: usize,
}

impl Page {
    /// The shorter side over that of MNIST.
    fn scale(self) -> f32 {
        self.height.min(self.width) as f32 / NOMINAL_SIDE
    }

    /// The last row and the last column.
    fn last(self) -> Point {
        [self.height as f32 - 1.0, self.width as f32 - 1.0]
    }

    /// Scales the strokes so that the longer side of their box is [`BOX`], less what the pen adds, and puts the box in the
    /// middle of the page.
    fn fit(self, strokes: &mut [Stroke]) {
        let (mut low, mut high) = ([f32::MAX; 2], [f32::MIN; 2]);
        for point in strokes.iter().flatten() {
            for i in 0..2 {
                low[i] = low[i].min(point[i]);
                high[i] = high[i].max(point[i]);
            }
        }
        let longer = (high[0] - low[0]).max(high[1] - low[1]).max(f32::MIN_POSITIVE);
        let scale = self.scale() * (BOX - 2.0) / longer;
        let last = self.last();
        for point in strokes.iter_mut().flatten() {
            *point = std::array::from_fn(|i| 0.5 * last[i] + scale * (point[i] - 0.5 * (low[i] + high[i])));
        }
    }

    /// Moves the strokes so that their centre of mass, drawn as `image`, is in the middle of the page, as far as the page
    /// allows. Returns false if the image is blank.
    fn centre(self, image: &[f32], strokes: &mut [Stroke]) -> bool {
        let (mut mass, mut moment) = (0.0, [0.0; 2]);
        for (p, ink) in image.iter().enumerate() {
            mass += ink;
            moment[0] += ink * (p / self.width) as f32;
            moment[1] += ink * (p % self.width) as f32;
        }
        if mass <= 0.0 {
            return false;
        }
        let last = self.last();
        let shift: Point = std::array::from_fn(|i| {
            let room = 0.5 * (last[i] + 1.0 - self.scale() * BOX) - self.scale();
            (0.5 * last[i] - moment[i] / mass).clamp(-room, room)
        });
        for point in strokes.iter_mut().flatten() {
            *point = [point[0] + shift[0], point[1] + shift[1]];
        }
        true
    }

    /// Draws the strokes with a round pen of this radius: white within, black half a pixel beyond.
    fn draw(self, strokes: &[Stroke], radius: f32, image: &mut [f32]) {
        image.fill(0.0);
        let (reach, last) = (radius + 0.5, self.last());
        let within = |v: f32, last: f32| v.clamp(0.0, last) as usize;
        for pair in strokes.iter().flat_map(|stroke| stroke.windows(2)) {
            let (a, b) = (pair[0], pair[1]);
            let range = |i: usize| {
                within(a[i].min(b[i]) - reach, last[i])..=within(a[i].max(b[i]) + reach + 1.0, last[i])
            };
            for (y, x) in range(0).flat_map(|y| range(1).map(move |x| (y, x))) {
                let ink = (reach - to_piece([y as f32, x as f32], a, b)).clamp(0.0, 1.0);
                let pixel = &mut image[y * self.width + x];
                *pixel = pixel.max(ink);
            }
        }
    }
}

/// The distance of a point from a straight piece.
fn to_piece(point: Point, a: Point, b: Point) -> f32 {
    let (along, to) = ([b[0] - a[0], b[1] - a[1]], [point[0] - a[0], point[1] - a[1]]);
    let length = along[0] * along[0] + along[1] * along[1];
    let share = ((to[0] * along[0] + to[1] * along[1]) / length.max(f32::MIN_POSITIVE)).clamp(0.0, 1.0);
    distance(point, [a[0] + share * along[0], a[1] + share * along[1]])
}
