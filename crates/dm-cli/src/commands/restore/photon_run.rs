//! One call of `dm restore` with photon counts: reading or simulating them, the picture, the arrays and the scores.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};
use dm_degrade::photons::Instrument;
use dm_degrade::{Model, Sampling, streams};
use dm_eval::posterior_draws::PosteriorDraws;
use dm_eval::{Classifier, Features};
use dm_nn::data::array_file::NumberArray;
use dm_nn::image::{to_bytes, to_unit};
use dm_nn::picture::grid;
use dm_nn::rng::Seed;
use dm_record::{PhotonFile, SCHEMA};

use super::photon_scores::{self, Originals};
use super::photons::{self, Origin, PhotonArgs, Restored};
use crate::folder;
use crate::terminal::Terminal;

/// The settings of a call other than the options for counts.
pub struct Call<'a> {
    pub model: &'a Model,
    pub sampling: Sampling,
    pub seed: u64,
    /// The picture to write. The arrays are written beside it.
    pub out: &'a Path,
    /// The file for the record, if one is named.
    pub scores: Option<&'a Path>,
    /// Whether to print the record instead of a table.
    pub json: bool,
}

impl Call<'_> {
    /// The record without scores of `n` images whose counts `instrument` has measured.
    fn record(&self, draws: usize, instrument: &Instrument, origin: &Origin, n: usize) -> PhotonFile {
        let (keep, mismatch) = match origin {
            Origin::Grains(placement) => (placement.keep, placement.mismatch),
            Origin::Gaussian(_) => (1.0, 0.0),
        };
        PhotonFile {
            schema: SCHEMA,
            model: self.model.name.clone(),
            step: self.model.provenance.step,
            n,
            first_image: 0,
            seed: self.seed,
            photons: instrument.photons,
            psf: instrument.optics.variances().map(f64::sqrt),
            t: origin.timestep().0,
            timesteps: self.model.degradation.timesteps(),
            keep,
            mismatch,
            draws,
            sampler: self.sampling.sampler.name().into(),
            nfe_from_last_timestep: self.sampling.nfe_taken(),
            classifier: None,
            methods: Vec::new(),
            calibration: None,
        }
    }

    /// Writes `record` to the file for it, and prints it as JSON or as `lines`.
    fn finish(&self, record: &PhotonFile, lines: Vec<String>, terminal: &Terminal) -> Result<ExitCode> {
        if let Some(path) = self.scores {
            folder::write_json(path, record).context("--scores")?;
        }
        if self.json {
            terminal.line(serde_json::to_string_pretty(record)?)?;
        } else {
            terminal.lines(lines)?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Largest number of images in the picture.
const SHOWN: usize = 50;
/// Largest number of draws in the picture.
const SHOWN_DRAWS: usize = 4;

/// Restores measured counts.
///
/// # Errors
/// If the counts cannot be read or restored, or writing fails.
pub fn measured(call: &Call<'_>, args: &PhotonArgs, counts: &Path, terminal: &Terminal) -> Result<ExitCode> {
    let (counts, instrument) = args.read(counts, call.model)?;
    let (origin, restored) = restore(call, args, &counts, &instrument)?;
    let mut lines = vec![origin.line(&instrument, call.model.degradation.timesteps())];
    lines.extend(Posterior::of(call.model, &restored.draws, args.draws()).write(call, None, &restored)?);
    let record = call.record(args.draws(), &instrument, &origin, counts.len() / call.model.shape.len());
    call.finish(&record, lines, terminal)
}

/// Simulates the counts of test images, restores them and scores the restorations. The images are given as pixels [n, H, W], labels
/// `[n]` and the index of the first image.
///
/// # Errors
/// If an option has a value outside its domain, the counts cannot be restored, or writing fails.
pub fn simulated(
    call: &Call<'_>,
    args: &PhotonArgs,
    (clean, labels, first): (&[u8], &[u8], usize),
    classifier: Option<(&str, &Classifier)>,
    terminal: &Terminal,
) -> Result<ExitCode> {
    let (shape, len) = (call.model.shape, call.model.shape.len());
    let instrument = args.instrument()?;
    let measure = |(i, pixels): (usize, &[u8])| {
        let mut image = vec![0.0; len];
        to_unit(pixels, &mut image);
        let mut rng = Seed(call.seed).stream(streams::DEGRADE, (first + i) as u64, 0);
        instrument.measure(shape, &image, &mut rng)
    };
    let counts: Vec<f32> = clean.chunks_exact(len).enumerate().flat_map(measure).collect();
    let (origin, restored) = restore(call, args, &counts, &instrument)?;
    let draws = Posterior::of(call.model, &restored.draws, args.draws());
    let paths = draws.write(call, Some(clean), &restored)?;

    let originals =
        Originals { shape, pixels: clean, labels, classifier: classifier.map(|(_, classifier)| classifier) };
    let first_draws: Vec<u8> =
        restored.draws.chunks_exact(args.draws() * len).flat_map(|draws| &draws[..len]).copied().collect();
    let methods = [
        ("counts", &restored.counts),
        ("Richardson-Lucy", &restored.deconvolved),
        ("one evaluation", &restored.estimate),
        ("mean of the draws", &draws.mean),
        ("a single draw", &first_draws),
    ];
    let methods = methods.iter().map(|(name, pixels)| originals.score(name, pixels));
    let methods = methods.collect::<Result<Vec<_>>>()?;
    let calibration = if args.draws() == 1 {
        None
    } else {
        let features = |pixels: &[u8]| Features::from_pixels("images", shape, pixels);
        let compared = PosteriorDraws::new(&features(clean)?, &features(&restored.draws)?)?;
        Some(originals.calibration(&compared, &restored.draws)?)
    };
    let mut lines = vec![origin.line(&instrument, call.model.degradation.timesteps())];
    lines.extend(paths);
    lines.extend(photon_scores::table(&methods, calibration.as_ref()));
    let record = PhotonFile {
        first_image: first,
        classifier: classifier.map(|(name, _)| name.to_owned()),
        methods,
        calibration,
        ..call.record(args.draws(), &instrument, &origin, labels.len())
    };
    call.finish(&record, lines, terminal)
}

fn restore(
    call: &Call<'_>,
    args: &PhotonArgs,
    counts: &[f32],
    instrument: &Instrument,
) -> Result<(Origin, Restored)> {
    let origin = Origin::new(call.model, instrument)?;
    let settings = (call.sampling, Seed(call.seed));
    let restored = photons::restore(call.model, counts, instrument, &origin, args.draws(), settings)?;
    Ok((origin, restored))
}

/// Draws from the posterior with their mean and standard deviation.
struct Posterior {
    /// The draws, [n, draws, C, H, W], in [0, 1].
    draws: NumberArray,
    /// The means of the draws, [n, C, H, W], in [0, 1].
    means: NumberArray,
    /// The standard deviations among the draws, [n, C, H, W].
    deviations: NumberArray,
    /// Pixels of the means.
    mean: Vec<u8>,
}

impl Posterior {
    /// The draws `pixels` [n * count, C, H, W] of images of `model`.
    fn of(model: &Model, pixels: &[u8], count: usize) -> Self {
        let (len, shape) = (model.shape.len(), model.shape);
        let mut values = vec![0.0; pixels.len()];
        to_unit(pixels, &mut values);
        let (mut means, mut deviations) = (Vec::new(), Vec::new());
        for draws in values.chunks_exact(count * len) {
            for p in 0..len {
                let values = || draws.iter().skip(p).step_by(len);
                let mean = values().sum::<f32>() / count as f32;
                let squares: f32 = values().map(|v| (v - mean).powi(2)).sum();
                means.push(mean);
                deviations.push((squares / (count - 1).max(1) as f32).sqrt());
            }
        }
        let n = means.len() / len;
        let sizes = |front: &[usize]| [front, &[shape.channels, shape.height, shape.width]].concat();
        Self {
            draws: NumberArray { shape: sizes(&[n, count]), values },
            mean: to_bytes(&means).collect(),
            means: NumberArray { shape: sizes(&[n]), values: means },
            deviations: NumberArray { shape: sizes(&[n]), values: deviations },
        }
    }

    /// Writes the picture and the arrays. Returns one line per file: its path and its content.
    fn write(&self, call: &Call<'_>, clean: Option<&[u8]>, restored: &Restored) -> Result<Vec<String>> {
        let len = call.model.shape.len();
        let count = self.draws.shape[1];
        // Twice the deviation is white at its largest possible value, one half.
        let twice: Vec<f32> = self.deviations.values.iter().map(|v| 2.0 * v).collect();
        let deviation: Vec<u8> = to_bytes(&twice).collect();
        let images = [&restored.counts, &restored.deconvolved, &self.mean, &deviation];
        let columns: Vec<&[u8]> = clean.into_iter().chain(images.into_iter().map(Vec::as_slice)).collect();
        let shown = count.min(SHOWN_DRAWS);
        let row = |i: usize| {
            let one = columns.iter().flat_map(move |column| &column[i * len..(i + 1) * len]);
            one.chain(&restored.draws[i * count * len..][..shown * len])
        };
        let n = self.mean.len() / len;
        let pixels: Vec<u8> = (0..n.min(SHOWN)).flat_map(row).copied().collect();
        folder::create_for(call.out)?;
        grid::write(call.out, call.model.shape, &pixels, columns.len() + shown, 2)?;
        let originals = if clean.is_some() { "original, " } else { "" };
        let mut lines = vec![format!(
            "{}: {originals}counts, Richardson-Lucy, mean, twice the standard deviation, {shown} draws",
            call.out.display()
        )];
        let stem = call.out.file_stem().unwrap_or_default().to_string_lossy();
        for (name, array) in [("mean", &self.means), ("sd", &self.deviations), ("draws", &self.draws)] {
            let path = call.out.with_file_name(format!("{stem}-{name}.npy"));
            array.write_npy(&path)?;
            lines.push(format!("{}: {:?}", path.display(), array.shape));
        }
        Ok(lines)
    }
}
