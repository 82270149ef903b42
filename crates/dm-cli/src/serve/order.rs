//! What a client of `/api/sample` asks for, and its translation to a request of the sampling library.

use std::sync::Arc;

use anyhow::Result;
use dm_degrade::Model;
use dm_degrade::generate::Request;
use dm_nn::rng::Seed;
use serde::{Deserialize, Serialize};

use super::answer::{Answer, Refusal};
use super::film::{self, Film, Frame};
use super::limits::SEED;
use super::queue::Stop;
use super::site::Site;
use crate::commands::sample::class;
use crate::sampling_args::SamplingArgs;

/// The body of a request. A field that is not given has the value of the model's config.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    model: String,
    count: usize,
    seed: u64,
    nfe: Option<usize>,
    sampler: Option<String>,
    spacing: Option<String>,
    class: Option<String>,
    guidance: Option<f32>,
}

/// An order that has been checked.
pub struct Prepared {
    /// The order and the model file as a text: equal texts give equal films.
    pub name: String,
    model: Arc<Model>,
    request: Request<'static>,
}

impl Order {
    /// Checks the order and opens its model.
    ///
    /// # Errors
    /// If a field has a value that cannot be used; the error names the field.
    pub fn prepare(&self, site: &Site) -> Answer<Prepared> {
        let model = site.catalogue.model(&self.model)?;
        check_seed(self.seed)?;
        // The messages of the command line name options. The fields have the names of the options without the dashes.
        let request = self.request(&model).map_err(|error| {
            Refusal::invalid(format!("{error:#}").trim_start_matches("--").trim_start_matches("sampling."))
        })?;
        film::check(&model, &request)?;
        let order = serde_json::to_string(self).map_err(Refusal::invalid)?;
        Ok(Prepared { name: format!("{} {order}", model.provenance.sha256), model, request })
    }

    fn request(&self, model: &Model) -> Result<Request<'static>> {
        let options = SamplingArgs {
            nfe: self.nfe,
            sampler: self.sampler.as_deref().map(str::parse).transpose()?,
            variance: None,
            spacing: self.spacing.as_deref().map(str::parse).transpose()?,
        };
        let sampling = options.apply(model, None);
        sampling.check(&*model.degradation)?;
        let class = self.class.as_deref().map(|name| class(name, model)).transpose()?;
        let guidance = self.guidance.unwrap_or(1.0);
        anyhow::ensure!(
            guidance == 1.0 || (class.is_some() && (0.0..=20.0).contains(&guidance)),
            "guidance: found {guidance}, expected 0 to 20 with a class"
        );
        Ok(Request {
            class,
            guidance,
            ..Request::new(Seed(self.seed), self.count, self.count.max(1), sampling)
        })
    }
}

impl Prepared {
    /// Draws the film; see [`film::draw`].
    ///
    /// # Errors
    /// As [`film::draw`].
    pub fn draw(&self, stop: &Stop, show: &mut dyn FnMut(Frame<'_>)) -> Answer<Film> {
        film::draw(&self.model, &*self.model.degradation, self.request, stop, show)
    }
}

/// Checks that a seed is a number that JavaScript can hold exactly.
///
/// # Errors
/// If it is larger.
pub fn check_seed(seed: u64) -> Answer<()> {
    if seed <= SEED {
        Ok(())
    } else {
        Err(Refusal::invalid(format!("seed: found {seed}, expected 0 to {SEED}")))
    }
}
