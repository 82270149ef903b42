//! Where the ticks of an axis go, linear or logarithmic, and how they are written. Nothing is drawn here.

/// The scale of an axis and its range.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scale {
    pub low: f64,
    pub high: f64,
    pub log: bool,
}

/// Mantissas of logarithmic ticks, from sparse to dense.
const MANTISSAS: [&[f64]; 4] =
    [&[1.0], &[1.0, 3.0], &[1.0, 2.0, 5.0], &[1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0]];

impl Scale {
    pub fn linear(low: f64, high: f64) -> Self {
        Self { low, high, log: false }
    }

    /// A range around values with a little air: logarithmic where they are positive and spread over more than a
    /// factor of three. `None` without a finite value.
    pub fn around(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for value in values.into_iter().filter(|value| value.is_finite()) {
            (low, high) = (low.min(value), high.max(value));
        }
        if low > high {
            return None;
        }
        if low > 0.0 && high / low > 3.0 {
            let air = (high / low).powf(0.06);
            return Some(Self { low: low / air, high: high * air, log: true });
        }
        let spread = if high > low { high - low } else { low.abs().max(1e-6) };
        Some(Self::linear(low - 0.08 * spread, high + 0.08 * spread))
    }

    /// The range with this share of the axis free at its high end.
    pub fn with_room(self, share: f64) -> Self {
        let more = share / (1.0 - share);
        let Self { low, high, log } = self;
        let high = if log { high * (high / low).powf(more) } else { high + (high - low) * more };
        Self { high, ..self }
    }

    /// Where a value lies, 0 at the low end and 1 at the high end.
    pub fn place(self, value: f64) -> f64 {
        let Self { low, high, log } = self;
        if log {
            (value.max(f64::MIN_POSITIVE) / low).ln() / (high / low).ln()
        } else {
            (value - low) / (high - low)
        }
    }

    /// About four ticks within the range.
    pub fn ticks(self) -> Vec<f64> {
        if self.log {
            let sets = MANTISSAS.iter().map(|mantissas| self.log_ticks(mantissas));
            if let Some(ticks) = sets.into_iter().find(|ticks| ticks.len() >= 3) {
                // Many decades: every second, every third one.
                let stride = ticks.len().div_ceil(6);
                return ticks.into_iter().step_by(stride).collect();
            }
        }
        self.linear_ticks(3, 0.0)
    }

    /// Ticks at whole numbers only, for counts.
    pub fn whole_ticks(self) -> Vec<f64> {
        self.linear_ticks(4, 1.0)
    }

    fn log_ticks(self, mantissas: &[f64]) -> Vec<f64> {
        let decades = (self.low.log10().floor() as i32)..=(self.high.log10().ceil() as i32);
        let all = decades.flat_map(|decade| mantissas.iter().map(move |m| m * 10f64.powi(decade)));
        all.filter(|&tick| tick >= self.low && tick <= self.high).collect()
    }

    /// Multiples of the coarsest of 1, 2, 5, 10, ... times a power of ten that gives enough ticks.
    fn linear_ticks(self, fewest: usize, finest: f64) -> Vec<f64> {
        let multiples = |step: f64| -> Vec<f64> {
            let first = (self.low / step - 1e-9).ceil() as i64;
            let last = (self.high / step + 1e-9).floor() as i64;
            (first..=last).map(|k| k as f64 * step).collect()
        };
        let power = 10f64.powf((self.high - self.low).log10().floor());
        let steps = [5.0, 2.0, 1.0, 0.5, 0.2, 0.1].map(|nice| (nice * power).max(finest));
        let enough = steps.into_iter().map(multiples).find(|ticks| ticks.len() >= fewest);
        enough.unwrap_or_else(|| multiples(steps[5]))
    }
}

/// A tick in as few digits as tell it from its neighbours.
pub fn label(value: f64) -> String {
    if value == 0.0 {
        return "0".into();
    }
    let size = value.abs();
    if !(1e-4..1e5).contains(&size) {
        return format!("{value:.0e}");
    }
    let digits = (3 - size.log10().floor() as i32).clamp(0, 7) as usize;
    let text = format!("{value:.digits$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(ticks: &[f64]) -> Vec<String> {
        ticks.iter().copied().map(label).collect()
    }

    #[test]
    fn every_range_gets_a_handful_of_ticks_inside_it() {
        let ranges =
            [(0.021, 0.9), (0.02, 0.07), (1e-3, 1e3), (1e-9, 1e9), (0.5, 2.2), (-3.0, 4.0), (5.0, 5.0)];
        for (low, high) in ranges {
            let scale = Scale::around([low, high]).unwrap();
            let ticks = scale.ticks();
            assert!((3..=7).contains(&ticks.len()), "{low}..{high}: {ticks:?}");
            assert!(ticks.iter().all(|&tick| (-1e-9..=1.0 + 1e-9).contains(&scale.place(tick))), "{ticks:?}");
            let mut told_apart = labels(&ticks);
            told_apart.dedup();
            assert_eq!(told_apart.len(), ticks.len(), "{told_apart:?}");
        }
    }

    #[test]
    fn ticks_are_numbers_a_person_would_choose() {
        assert_eq!(labels(&Scale { low: 0.02, high: 1.0, log: true }.ticks()), ["0.03", "0.1", "0.3", "1"]);
        assert_eq!(labels(&Scale::linear(0.0, 1.0).ticks()), ["0", "0.5", "1"]);
        assert_eq!(labels(&Scale::linear(0.0, 100.0).whole_ticks()), ["0", "20", "40", "60", "80", "100"]);
        assert_eq!(labels(&Scale::linear(0.0, 3.0).whole_ticks()), ["0", "1", "2", "3"]);
    }

    #[test]
    fn room_moves_the_values_down_by_its_share() {
        for scale in [Scale::linear(2.0, 6.0), Scale { low: 1.0, high: 100.0, log: true }] {
            assert!((scale.with_room(0.2).place(scale.high) - 0.8).abs() < 1e-12);
            assert_eq!(scale.with_room(0.0), scale);
        }
    }

    #[test]
    fn nothing_finite_has_no_scale() {
        assert_eq!(Scale::around([]), None);
        assert_eq!(Scale::around([f64::NAN, f64::INFINITY]), None);
    }
}
