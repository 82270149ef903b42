//! A drawing of text, lines and pictures that is saved as PNG and SVG. kuva renders text and lines. It cannot draw pictures, so
//! they are copied onto the drawing pixel by pixel, which keeps small images sharp.

use super::style;
use anyhow::{Context, Result, anyhow};
use base64::Engine;
use image::{ImageFormat, RgbaImage, imageops};
use kuva::backend::{raster::RasterBackend, svg::SvgBackend};
use kuva::render::color::Color;
use kuva::render::render::{Primitive, Scene, TextAnchor};
use std::fmt::Write;
use std::io::Cursor;
use std::path::Path;

pub struct Canvas {
    scene: Scene,
    pictures: Vec<(u32, u32, RgbaImage)>,
}

impl From<Scene> for Canvas {
    fn from(mut scene: Scene) -> Self {
        scene.background_color = Some(style::PAPER.into());
        scene.text_color = Some(style::TEXT.into());
        scene.font_family = Some(style::FONT.into());
        Self { scene, pictures: Vec::new() }
    }
}

impl Canvas {
    pub fn new(width: u32, height: u32) -> Self {
        Scene::new(f64::from(width), f64::from(height)).into()
    }

    /// Adds a text that starts at `x`, with its baseline at `y`.
    pub fn text(&mut self, x: u32, y: u32, text: &str, size: u32, colour: &str) {
        self.scene.add(Primitive::Text {
            x: f64::from(x),
            y: f64::from(y),
            content: text.to_owned(),
            size,
            anchor: TextAnchor::Start,
            rotate: None,
            bold: false,
            color: Some(Color::from(colour)),
        });
    }

    /// Adds a picture with its upper left corner at `x` and `y`, at one pixel per unit of the drawing.
    pub fn picture(&mut self, x: u32, y: u32, picture: RgbaImage) {
        self.pictures.push((x, y, picture));
    }

    /// Writes `DIR/NAME.png` and `DIR/NAME.svg`.
    pub fn save(&self, dir: &Path, name: &str) -> Result<()> {
        let png = self.png().with_context(|| format!("drawing {name}"))?;
        crate::workspace::write_atomically(&dir.join(format!("{name}.png")), &png)?;
        let svg = self.svg().with_context(|| format!("drawing {name}"))?;
        crate::workspace::write_atomically(&dir.join(format!("{name}.svg")), svg.as_bytes())
    }

    fn png(&self) -> Result<Vec<u8>> {
        let scale = style::PNG_SCALE;
        let backend = RasterBackend::new().with_scale(scale as f32);
        let drawn = backend.render_scene(&self.scene).map_err(|message| anyhow!(message))?;
        let mut page = image::load_from_memory_with_format(&drawn, ImageFormat::Png)?.to_rgb8();
        for (x, y, picture) in &self.pictures {
            let (width, height) = (picture.width() * scale, picture.height() * scale);
            let larger = imageops::resize(picture, width, height, imageops::FilterType::Nearest);
            let larger = image::DynamicImage::ImageRgba8(larger).to_rgb8();
            imageops::replace(&mut page, &larger, i64::from(x * scale), i64::from(y * scale));
        }
        let mut bytes = Vec::new();
        page.write_to(&mut Cursor::new(&mut bytes), ImageFormat::Png)?;
        Ok(bytes)
    }

    /// The drawing as SVG.
    pub fn svg(&self) -> Result<String> {
        let mut svg = SvgBackend::new().render_scene(&self.scene);
        let end = svg.rfind("</svg>").context("kuva wrote no end tag of the SVG")?;
        let mut pictures = String::new();
        for (x, y, picture) in &self.pictures {
            let (width, height) = picture.dimensions();
            let mut bytes = Vec::new();
            picture.write_to(&mut Cursor::new(&mut bytes), ImageFormat::Png)?;
            let data = base64::prelude::BASE64_STANDARD.encode(&bytes);
            writeln!(
                pictures,
                "<image x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" \
                 style=\"image-rendering:pixelated\" href=\"data:image/png;base64,{data}\"/>"
            )?;
        }
        svg.insert_str(end, &pictures);
        Ok(svg)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_has_its_place_in_both_files() {
        let mut canvas = Canvas::new(20, 10);
        canvas.picture(4, 3, RgbaImage::from_pixel(5, 5, image::Rgba([9, 8, 7, 255])));
        let page = image::load_from_memory(&canvas.png().unwrap()).unwrap().to_rgb8();
        assert_eq!(page.dimensions(), (40, 20));
        assert_eq!(page.get_pixel(8, 6).0, [9, 8, 7]);
        assert_eq!(page.get_pixel(17, 15).0, [9, 8, 7]);
        assert_eq!(page.get_pixel(18, 16).0, [255, 255, 255]);
        assert!(canvas.svg().unwrap().contains("<image x=\"4\" y=\"3\" width=\"5\" height=\"5\""));
    }
}
