//! A drawing of text, lines and pictures that saves itself as PNG and SVG. kuva renders text and lines; pictures,
//! which it does not have, are laid over them pixel for pixel, so that small images stay crisp.

use super::style;
use anyhow::{Context, Result, anyhow};
use image::{ImageFormat, RgbaImage, imageops};
use kuva::backend::{raster::RasterBackend, svg::SvgBackend};
use kuva::render::color::Color;
use kuva::render::render::{Primitive, Scene, TextAnchor};
use std::fmt::Write;
use std::io::Cursor;
use std::path::Path;

/// Where a text is relative to its point.
#[derive(Clone, Copy)]
pub enum Anchor {
    Start,
    Middle,
    End,
}

/// A text's size, colour and place. No weight: kuva's PNGs know only one.
#[derive(Clone, Copy)]
pub struct Type<'a> {
    pub size: u32,
    pub colour: &'a str,
    pub anchor: Anchor,
}

pub const TITLE: Type<'static> = Type { size: style::TITLE_SIZE, colour: style::TEXT, anchor: Anchor::Start };
pub const LABEL: Type<'static> =
    Type { size: style::LABEL_SIZE, colour: style::QUIET, anchor: Anchor::Start };
pub const TICK: Type<'static> = Type { size: style::TICK_SIZE, colour: style::QUIET, anchor: Anchor::Middle };

pub struct Canvas {
    scene: Scene,
    pictures: Vec<(u32, u32, RgbaImage)>,
}

impl Canvas {
    pub fn new(width: f64, height: f64) -> Self {
        let mut scene = Scene::new(width, height);
        scene.background_color = Some(style::PAPER.into());
        scene.text_color = Some(style::TEXT.into());
        scene.font_family = Some(style::FONT.into());
        Self { scene, pictures: Vec::new() }
    }

    /// A text with its baseline at `y`.
    pub fn text(&mut self, x: f64, y: f64, text: &str, look: Type) {
        let anchor = match look.anchor {
            Anchor::Start => TextAnchor::Start,
            Anchor::Middle => TextAnchor::Middle,
            Anchor::End => TextAnchor::End,
        };
        self.scene.add(Primitive::Text {
            x,
            y,
            content: text.to_owned(),
            size: look.size,
            anchor,
            rotate: None,
            bold: false,
            color: Some(Color::from(look.colour)),
        });
    }

    pub fn line(&mut self, from: (f64, f64), to: (f64, f64), colour: &str, width: f64) {
        self.scene.add(Primitive::Line {
            x1: from.0,
            y1: from.1,
            x2: to.0,
            y2: to.1,
            stroke: Color::from(colour),
            stroke_width: width,
            stroke_dasharray: None,
        });
    }

    pub fn polyline(&mut self, points: Vec<(f64, f64)>, colour: &str, width: f64) {
        if points.len() > 1 {
            let stroke = Color::from(colour);
            self.scene.add(Primitive::PolyLine {
                points,
                stroke,
                stroke_width: width,
                stroke_dasharray: None,
            });
        }
    }

    /// A filled rectangle, by its upper left corner and its size.
    pub fn rect(&mut self, corner: (f64, f64), size: (f64, f64), colour: &str) {
        self.scene.add(Primitive::Rect {
            x: corner.0,
            y: corner.1,
            width: size.0,
            height: size.1,
            fill: Color::from(colour),
            stroke: None,
            stroke_width: None,
            opacity: None,
        });
    }

    pub fn dot(&mut self, at: (f64, f64), radius: f64, colour: &str) {
        self.scene.add(Primitive::Circle {
            cx: at.0,
            cy: at.1,
            r: radius,
            fill: Color::from(colour),
            fill_opacity: None,
            stroke: Some(Color::from(style::PAPER)),
            stroke_width: Some(1.0),
        });
    }

    /// A picture with its corner at whole units, one unit to a pixel.
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
        let end = svg.rfind("</svg>").context("kuva drew no end of the SVG")?;
        let mut pictures = String::new();
        for (x, y, picture) in &self.pictures {
            let (width, height) = picture.dimensions();
            let mut bytes = Vec::new();
            picture.write_to(&mut Cursor::new(&mut bytes), ImageFormat::Png)?;
            let data = base64(&bytes);
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

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |index: usize| u32::from(chunk.get(index).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..4 {
            let letter = LETTERS[(bits >> (18 - 6 * place) & 63) as usize] as char;
            text.push(if place <= chunk.len() { letter } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_matches_the_rfc() {
        let coded: Vec<_> =
            ["", "f", "fo", "foo", "foob", "fooba"].iter().map(|s| base64(s.as_bytes())).collect();
        assert_eq!(coded, ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE="]);
    }

    #[test]
    fn a_picture_lands_where_it_was_put_in_both_files() {
        let mut canvas = Canvas::new(20.0, 10.0);
        canvas.picture(4, 3, RgbaImage::from_pixel(5, 5, image::Rgba([9, 8, 7, 255])));
        let page = image::load_from_memory(&canvas.png().unwrap()).unwrap().to_rgb8();
        assert_eq!(page.dimensions(), (40, 20));
        assert_eq!(page.get_pixel(8, 6).0, [9, 8, 7]);
        assert_eq!(page.get_pixel(17, 15).0, [9, 8, 7]);
        assert_eq!(page.get_pixel(18, 16).0, [255, 255, 255]);
        assert!(canvas.svg().unwrap().contains("<image x=\"4\" y=\"3\" width=\"5\" height=\"5\""));
    }
}
