//! Whether classifiers that were trained from different seeds rank models in the same order.

use crate::markdown::thousands;
use crate::records::{FRECHET, Table, sampling_label};

/// Models with sampler and number of evaluations, from the smallest Fréchet distance to the largest.
pub fn order(group: &[&Table]) -> Vec<String> {
    let named = |table: &&Table| {
        let (model, nfe) = (table.target.model.as_ref()?, table.target.nfe?);
        let sampler = sampling_label(&table.target).unwrap_or_default();
        Some((table.row(FRECHET)?.value?, format!("`{model}` {sampler} {}", thousands(nfe))))
    };
    let mut values: Vec<_> = group.iter().filter_map(named).collect();
    values.sort_by(|a, b| a.0.total_cmp(&b.0));
    values.into_iter().map(|(_, name)| name).collect()
}

/// A sentence about how well several classifiers agree on an order; empty for one classifier or one model.
pub fn rank_agreement(orders: &[Vec<String>]) -> String {
    let Some(first) = orders.first().filter(|first| first.len() > 1 && orders.len() > 1) else {
        return String::new();
    };
    let n = orders.len();
    if orders.iter().all(|order| order == first) {
        return format!(
            "By distance {n} classifiers of different seeds rank them alike: {}.",
            first.join(", ")
        );
    }
    let place = |order: &[String], name: &String| order.iter().position(|other| other == name);
    let alike = |a: &String, b: &String| orders.iter().all(|order| place(order, a) < place(order, b));
    let pairs = || first.iter().enumerate().flat_map(|(i, a)| first[i + 1..].iter().map(move |b| (a, b)));
    let disputed: Vec<_> =
        pairs().filter(|(a, b)| !alike(a, b)).map(|(a, b)| format!("{a} and {b}")).collect();
    format!(
        "By distance {n} classifiers of different seeds put {} of {} pairs in the same order; they disagree on {}.",
        pairs().count() - disputed.len(),
        pairs().count(),
        disputed.join("; ")
    )
}

#[cfg(test)]
mod tests {
    use super::rank_agreement;

    #[test]
    fn classifiers_agree_or_the_disputed_pairs_are_named() {
        let list = |names: [&str; 3]| names.map(str::to_owned).to_vec();
        let alike = rank_agreement(&[list(["x", "y", "z"]), list(["x", "y", "z"])]);
        assert!(alike.contains("2 classifiers") && alike.contains("alike: x, y, z."), "{alike}");
        let apart = rank_agreement(&[list(["x", "y", "z"]), list(["y", "x", "z"])]);
        assert!(apart.contains("put 2 of 3 pairs") && apart.ends_with("on x and y."), "{apart}");
        assert_eq!(rank_agreement(&[list(["x", "y", "z"])]), "");
    }
}
