//! Which epoch of a run has the lowest Frechet distance.

use std::fs;
use std::path::Path;

use dm_record::MetricsLine;

/// The step after which the samples had the lowest Frechet distance, according to the metrics at `path`; the earlier one of two
/// equal steps. `None` if no samples have been evaluated.
pub(super) fn best_step(path: &Path) -> Option<u64> {
    let text = fs::read_to_string(path).ok()?;
    // Few lines are evaluations. Only these are parsed.
    let lines = text.lines().filter(|line| line.contains("\"eval\""));
    let evaluations = lines.filter_map(|line| match serde_json::from_str(line) {
        Ok(MetricsLine::Eval(line)) => line.fd.map(|fd| (fd, line.step)),
        _ => None,
    });
    evaluations.min_by(|(a, _), (b, _)| a.total_cmp(b)).map(|(_, step)| step)
}
