//! A network that can be stopped in the middle of a long sampling.

use candle_core::{Result, Tensor, bail};
use dm_nn::nets::Network;

/// A network that fails as soon as `stop` returns true. Whoever samples from it takes any error as an interruption while
/// `stop` returns true.
pub struct InterruptibleNetwork<'a> {
    /// The network.
    pub network: &'a dyn Network,
    /// Whether to stop.
    pub stop: &'a (dyn Fn() -> bool + Sync),
}

impl InterruptibleNetwork<'_> {
    fn check(&self) -> Result<()> {
        if (self.stop)() {
            bail!("interrupted")
        }
        Ok(())
    }
}

impl Network for InterruptibleNetwork<'_> {
    fn forward(&self, x: &Tensor, t: &Tensor) -> Result<Tensor> {
        self.check()?;
        self.network.forward(x, t)
    }

    fn forward_class(&self, x: &Tensor, t: &Tensor, classes: &[u8]) -> Result<Tensor> {
        self.check()?;
        self.network.forward_class(x, t, classes)
    }
}
