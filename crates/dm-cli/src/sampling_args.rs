//! The options that change how a model samples.

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use dm_degrade::samplers::{Spacing, Variance};
use dm_degrade::{Model, SamplerKind, Sampling};

/// Options that replace parts of the model's own `[sampling]` table.
#[derive(clap::Args)]
pub struct SamplingArgs {
    /// Largest number of network evaluations per image [default: as in the model's config].
    #[arg(long, value_name = "COUNT")]
    pub nfe: Option<usize>,
    /// The sampler [default: as in the model's config].
    #[arg(long, value_parser = samplers())]
    pub sampler: Option<SamplerKind>,
    /// Variance of the sampler `ancestral`: that of the posterior, or the larger one of the forward step (beta)
    /// [default: as in the model's config].
    #[arg(long, value_parser = variances())]
    pub variance: Option<Variance>,
    /// Where the timesteps lie: `uniform`, `cosine` (denser in the middle), or `power` and `power:EXPONENT` (denser near
    /// T, or near 0 with an exponent below 1) [default: as in the model's config].
    #[arg(long)]
    pub spacing: Option<Spacing>,
}

impl SamplingArgs {
    /// Whether any option is given.
    pub fn any(&self) -> bool {
        self.nfe.is_some() || self.sampler.is_some() || self.variance.is_some() || self.spacing.is_some()
    }

    /// The sampling of `model` with these options in place of its own. `default_sampler` is used where `--sampler` is not
    /// given; `None` is the model's own.
    pub fn apply(&self, model: &Model, default_sampler: Option<SamplerKind>) -> Sampling {
        let own = model.sampling;
        let sampler = self.sampler.or(default_sampler).unwrap_or(own.sampler);
        // The options in the model's config are meant for its own sampler. Another sampler starts from its own defaults.
        let defaults = if sampler == own.sampler { own } else { Sampling::new(sampler, own.nfe) };
        let every_timestep = sampler.build(defaults.variance, 0.0).visits_every_timestep();
        let default_nfe = if every_timestep { model.degradation.timesteps() } else { own.nfe };
        let default_spacing = if every_timestep { defaults.spacing } else { own.spacing };
        Sampling {
            nfe: self.nfe.unwrap_or(default_nfe),
            variance: self.variance.unwrap_or(defaults.variance),
            spacing: self.spacing.unwrap_or(default_spacing),
            ..defaults
        }
    }
}

/// The names of all samplers, each with what it does.
fn samplers() -> impl TypedValueParser<Value = SamplerKind> {
    let value = |kind: SamplerKind| PossibleValue::new(kind.name()).help(kind.summary());
    PossibleValuesParser::new(SamplerKind::ALL.map(value)).try_map(|name| name.parse())
}

/// The names of all variances.
fn variances() -> impl TypedValueParser<Value = Variance> {
    PossibleValuesParser::new(Variance::ALL.map(Variance::name)).try_map(|name| name.parse())
}
