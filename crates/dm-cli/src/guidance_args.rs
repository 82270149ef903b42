//! The options that guide a model while it samples.

use anyhow::{Context, Result, ensure};
use dm_degrade::{Model, NetworkDenoiser};
use serde_json::{Map, Value};

use crate::locate;

/// Guidance by the model's own output without a class, or by a weaker model.
#[derive(clap::Args)]
pub struct GuidanceArgs {
    /// Weight W of classifier-free guidance: the network's output is u + W (c - u), with u its output without the class and c
    /// its output with the class. 1 is no guidance; larger weights give more typical and less varied images [default: 1].
    #[arg(long, value_name = "W", allow_negative_numbers = true)]
    pub guidance: Option<f32>,
    /// A weaker model of the same kind that guides this one, for example one saved after a tenth of the training: autoguidance
    /// (Karras et al. 2024). The network's output is then u + W (c - u), with u the output of the weaker model, c the output of
    /// this model, and W the weight of --guidance. Each step also evaluates the weaker network.
    #[arg(long, value_name = "MODEL", requires = "guidance")]
    pub autoguidance: Option<String>,
}

impl GuidanceArgs {
    /// Whether any option is given.
    pub fn any(&self) -> bool {
        self.guidance.is_some() || self.autoguidance.is_some()
    }

    /// Checks that there is something to guide by: a weaker model, or a class (`has_class`).
    ///
    /// # Errors
    /// If there is neither, or the weight is not finite.
    pub fn check(&self, has_class: bool) -> Result<()> {
        let Some(weight) = self.guidance else { return Ok(()) };
        let guided = has_class || self.autoguidance.is_some();
        ensure!(guided, "--guidance: found no class and no --autoguidance, expected one of them");
        ensure!(weight.is_finite(), "--guidance: found {weight}, expected a finite number");
        Ok(())
    }

    /// Opens the weaker model, if there is one, which must go with `model`.
    ///
    /// # Errors
    /// If it cannot be opened, or is a model of another kind.
    pub fn open(&self, model: &Model) -> Result<Guidance> {
        let open = |name: &str| locate::model(name)?.open_model(model.device());
        let guidance = Guidance {
            weak: self.autoguidance.as_deref().map(open).transpose()?,
            weight: self.guidance.unwrap_or(1.0),
        };
        guidance.denoiser(model)?;
        Ok(guidance)
    }
}

/// A weight, and the weaker model that it is for; without one, the weight is for classifier-free guidance.
pub struct Guidance {
    weak: Option<Model>,
    weight: f32,
}

impl Guidance {
    /// The weight of classifier-free guidance.
    pub fn of_class(&self) -> f32 {
        if self.weak.is_some() { 1.0 } else { self.weight }
    }

    /// The network of `model`, guided by the weaker model.
    ///
    /// # Errors
    /// If the weaker model is of another kind.
    pub fn denoiser<'a>(&'a self, model: &'a Model) -> Result<NetworkDenoiser<'a>> {
        match &self.weak {
            Some(weak) => model.denoiser_guided_by(weak, self.weight).context("--autoguidance"),
            None => Ok(model.denoiser()),
        }
    }

    /// What the provenance of samples states about their guidance: the hash of the weaker model, and a weight that matters.
    pub fn provenance(&self) -> Map<String, Value> {
        let mut provenance = Map::new();
        if let Some(weak) = &self.weak {
            provenance.insert("autoguidance".into(), weak.provenance.sha256.clone().into());
        }
        if self.weak.is_some() || self.weight != 1.0 {
            provenance.insert("guidance".into(), self.weight.into());
        }
        provenance
    }
}
