//! A network whose evaluations can be interrupted, so that sampling for a long time can be stopped.

use candle_core::{Result, Tensor, bail};
use dm_nn::nets::Network;

/// A network whose evaluations fail as soon as `stop` returns true. A caller that samples with the network must take any error
/// as an interruption while `stop` returns true.
pub struct InterruptibleNetwork<'a> {
    /// The network.
    pub network: &'a dyn Network,
    /// Returns true when sampling is to stop.
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
