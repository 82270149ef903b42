//! A picture in memory, in red, green and blue.

/// Red, green and blue of each pixel, row by row.
pub struct Raster {
    /// Width in pixels.
    pub width: usize,
    /// `width` times the height.
    pub pixels: Vec<[u8; 3]>,
}

impl Raster {
    /// A picture of one colour.
    pub fn new(width: usize, height: usize, color: [u8; 3]) -> Self {
        Self { width, pixels: vec![color; width * height] }
    }

    /// Height in pixels.
    pub fn height(&self) -> usize {
        self.pixels.len() / self.width.max(1)
    }

    /// Whether every pixel is grey.
    pub fn is_grey(&self) -> bool {
        self.pixels.iter().all(|[red, green, blue]| red == green && green == blue)
    }
}
