//! `dm restore --counts` and `dm restore --photons`: images from photon counts, measured or simulated.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use dm_degrade::degradations::{IntensityStatistics, QuantileDistribution};
use dm_degrade::generate::{Request, Start, randomness};
use dm_degrade::photons::{AnscombeStart, Instrument, Optics, Placement, PointSpread, richardson_lucy};
use dm_degrade::{Denoiser, Model, Noise, Sampling, Timestep};
use dm_nn::data::array_file::NumberArray;
use dm_nn::image::{to_bytes, to_unit};
use dm_nn::rng::Seed;

/// The options for photon counts.
#[derive(clap::Args)]
pub struct PhotonArgs {
    /// Restore photon counts instead of degraded test images: a grey PNG of 8 or 16 bits, a .npy file of integers [H, W] or
    /// [n, H, W], or a text file with one row per line. A value is the number of photons in a pixel. Without this option,
    /// --photons simulates the counts of test images and scores their restorations.
    #[arg(long, value_name = "FILE")]
    counts: Option<PathBuf>,
    /// The point spread function of the optics: the standard deviation of a Gaussian in pixels, or a small grey PNG, .npy or text
    /// file with odd height and width whose middle is the pixel that the light comes from [default: 0, sharp optics].
    #[arg(long, value_name = "SIGMA|FILE")]
    psf: Option<String>,
    /// The mean number of photons that a white pixel sends during the exposure [default: estimated from the counts and the
    /// training images].
    #[arg(long, value_name = "F")]
    photons: Option<f64>,
    /// Number of draws from the posterior for each image.
    #[arg(long, default_value_t = 16, value_name = "COUNT")]
    draws: usize,
}

/// Largest number of photons in one pixel.
const MAX_COUNT: f32 = 1e6;
/// Images per batch; does not change the images.
const BATCH: usize = 256;
/// Number of iterations of the Richardson-Lucy deconvolution. It is a usual number; more iterations fit the noise.
const ITERATIONS: usize = 20;

impl PhotonArgs {
    /// Whether the command restores photon counts.
    ///
    /// # Errors
    /// If an option is given that needs another one.
    pub fn any(&self) -> Result<bool> {
        let any = self.counts.is_some() || self.photons.is_some();
        ensure!(
            any || self.psf.is_none(),
            "--psf: found neither --counts nor --photons, expected one of them"
        );
        ensure!((1..=1000).contains(&self.draws), "--draws: found {}, expected 1 to 1000", self.draws);
        Ok(any)
    }

    /// The file of counts, if they are measured.
    pub fn counts_file(&self) -> Option<&Path> {
        self.counts.as_deref()
    }

    /// Number of draws from the posterior for each image.
    pub fn draws(&self) -> usize {
        self.draws
    }

    /// The optics that --psf states.
    fn optics(&self) -> Result<Optics> {
        let Some(psf) = &self.psf else { return Ok(Optics::Sharp) };
        if let Ok(spread) = psf.parse() {
            return Optics::gaussian(spread).context("--psf");
        }
        let array = NumberArray::read(Path::new(psf)).context("--psf")?;
        let [height, width] = array.shape[..] else {
            bail!("--psf: {psf}: shape: found {:?}, expected [height, width]", array.shape);
        };
        let read = PointSpread::new(height, width, &array.values);
        Ok(Optics::Measured(read.with_context(|| format!("--psf: {psf}"))?))
    }

    /// The instrument that --photons and --psf describe.
    ///
    /// # Errors
    /// If --photons is missing, or an option has a value outside its domain.
    pub fn instrument(&self) -> Result<Instrument> {
        let photons = self.photons.context("--photons: found none, expected the photons of a white pixel")?;
        Instrument::new(photons, self.optics()?).context("--photons, --psf")
    }

    /// The counts in the file at `path`, [n, H, W], and the instrument that measured them.
    ///
    /// # Errors
    /// If the file cannot be read, or does not hold counts of images of `model`.
    pub fn read(&self, path: &Path, model: &Model) -> Result<(Vec<f32>, Instrument)> {
        let array = NumberArray::read(path).context("--counts")?;
        let shape = model.shape;
        let fits = match array.shape[..] {
            [height, width] | [_, height, width] => {
                (1, height, width) == (shape.channels, shape.height, shape.width)
            }
            _ => false,
        };
        ensure!(
            fits,
            "--counts: {0}: shape: found {1:?}, expected [{2}, {3}] or [n, {2}, {3}], one channel as in `{4}`",
            path.display(),
            array.shape,
            shape.height,
            shape.width,
            model.name
        );
        let is_count = |v: &f32| v.fract() == 0.0 && (0.0..=MAX_COUNT).contains(v);
        if let Some(bad) = array.values.iter().find(|v| !is_count(v)) {
            bail!(
                "--counts: {}: values: found {bad}, expected whole numbers from 0 to {MAX_COUNT}",
                path.display()
            );
        }
        if self.photons.is_some() {
            return Ok((array.values, self.instrument()?));
        }
        let images = (array.values.len() / shape.len()) as f64;
        let per_image = array.values.iter().map(|&n| f64::from(n)).sum::<f64>() / images;
        let statistics = IntensityStatistics::new(&model.fitted, shape).ok();
        let usual: f64 = statistics.map_or(0.0, |s| s.totals.iter().map(QuantileDistribution::mean).sum());
        ensure!(
            usual > 0.0 && per_image > 0.0,
            "--photons: found none, expected the photons of a white pixel: they cannot be estimated from {}",
            if usual > 0.0 {
                "counts of zero"
            } else {
                "a model that does not know the brightness of its images"
            }
        );
        Ok((array.values, Instrument::new(per_image / usual, self.optics()?).context("--photons")?))
    }
}

/// The state of a model's process that counts become, from which the reverse chain starts.
pub enum Origin {
    /// On a process of grains.
    Grains(Placement),
    /// On a Gaussian process, by the Anscombe transform.
    Gaussian(AnscombeStart),
}

impl Origin {
    /// Places the counts of `instrument` on the process of `model`.
    ///
    /// # Errors
    /// If the process is neither one of grains nor Gaussian, or the counts do not fit on it.
    pub fn new(model: &Model, instrument: &Instrument) -> Result<Self> {
        let process = &*model.degradation;
        Ok(if process.gaussian().is_some() {
            Self::Gaussian(AnscombeStart::new(process, instrument.photons).context("--photons")?)
        } else {
            Self::Grains(Placement::new(process, instrument).context("--counts")?)
        })
    }

    /// The timestep from which the reverse chain starts.
    pub fn timestep(&self) -> Timestep {
        match self {
            Self::Grains(placement) => placement.timestep,
            Self::Gaussian(start) => start.timestep,
        }
    }

    /// The line that says where the chain starts, and how many photons are left out or misplaced. `timesteps` is T.
    pub fn line(&self, instrument: &Instrument, timesteps: usize) -> String {
        let (photons, t) = (instrument.photons, self.timestep().0);
        match self {
            Self::Grains(Placement { keep, walk: [down, across], mismatch, .. }) => format!(
                "{photons:.3} photons per full pixel, restored from t = {t} of {timesteps}: {:.1} % of the photons are used, \
                 after a walk of {down:.2} pixels down and {across:.2} across; {:.1} % of the photons end where the model \
                 does not expect them",
                100.0 * keep,
                100.0 * mismatch
            ),
            Self::Gaussian(_) => format!(
                "{photons:.3} photons per full pixel, restored from t = {t} of {timesteps} after the Anscombe transform; the \
                 optics are not undone"
            ),
        }
    }
}

/// Counts and their restorations. All images are pixels, [n, H, W] unless stated otherwise.
pub struct Restored {
    /// The counts divided by the photons of a white pixel.
    pub counts: Vec<u8>,
    /// Richardson-Lucy deconvolution.
    pub deconvolved: Vec<u8>,
    /// The network's estimate in one evaluation, averaged over the draws.
    pub estimate: Vec<u8>,
    /// Draws from the posterior, [n, draws, H, W].
    pub draws: Vec<u8>,
}

/// Restores `counts` [n, C, H, W] with `draws` chains each.
///
/// # Errors
/// If the sampler or the network fails.
pub fn restore(
    model: &Model,
    counts: &[f32],
    instrument: &Instrument,
    origin: &Origin,
    draws: usize,
    (sampling, seed): (Sampling, Seed),
) -> Result<Restored> {
    let (process, len, shape) = (&*model.degradation, model.shape.len(), model.shape);
    let stream = randomness(seed);
    let state = |i: u64| -> (Vec<f32>, Noise) {
        let image = i as usize / draws;
        let counts = &counts[image * len..(image + 1) * len];
        let mut rng = stream(i, Timestep(0));
        let state = match origin {
            Origin::Grains(placement) => placement.state(counts, &mut rng),
            Origin::Gaussian(start) => start.state(process, counts, &mut rng),
        };
        // The samplers of the models for counts draw fresh random numbers and need no noise.
        (state, Noise::default())
    };
    // A Gaussian model restores the square root of the image.
    let pixels = |mut unit: Vec<f32>| -> Vec<u8> {
        if matches!(origin, Origin::Gaussian(_)) {
            AnscombeStart::square(&mut unit);
        }
        to_bytes(&unit).collect()
    };
    let n = counts.len() / len;
    let start = Some(Start { timestep: origin.timestep(), state: &state });
    let request = Request { start, ..Request::new(seed, n * draws, BATCH, sampling) };
    let drawn = model.sample(&request, &mut |_, _, _| {})?;
    let mut unit = vec![0.0; drawn.len()];
    to_unit(&drawn, &mut unit);

    let mut estimates = Vec::with_capacity(drawn.len());
    let numbers: Vec<u64> = (0..(n * draws) as u64).collect();
    for batch in numbers.chunks(BATCH) {
        let states: Vec<f32> = batch.iter().flat_map(|&i| state(i).0).collect();
        let mut estimate = model.denoiser().denoise(&states, origin.timestep())?;
        for x0 in estimate.chunks_exact_mut(len) {
            process.codec().clip(x0);
            let mut image = vec![0.0; len];
            process.codec().decode_image(x0, &mut image);
            estimates.extend(image);
        }
    }
    let mean = |images: &[f32]| -> Vec<f32> {
        (0..len).map(|p| images.iter().skip(p).step_by(len).sum::<f32>() / draws as f32).collect()
    };
    let estimate = estimates.chunks_exact(draws * len).flat_map(mean).collect();
    let deconvolve = |counts| richardson_lucy(shape, counts, instrument, ITERATIONS);
    let deconvolved: Vec<f32> = counts.chunks_exact(len).flat_map(deconvolve).collect();
    let bright: Vec<f32> = counts.iter().map(|n| n / instrument.photons as f32).collect();
    Ok(Restored {
        counts: to_bytes(&bright).collect(),
        deconvolved: to_bytes(&deconvolved).collect(),
        estimate: pixels(estimate),
        draws: pixels(unit),
    })
}
