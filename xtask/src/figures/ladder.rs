//! The sanity ladder: a row for each way of spoiling real images, the Frechet distance of each by every judge. Beside it
//! what the distance does not see: precision, recall and copies, by the first judge.

use super::canvas::{Anchor, Canvas, LABEL, TICK, TITLE, Type};
use super::style::{BAND, FAINT, GRID, LABEL_SIZE, QUIET, TEXT, THIN, run_colour, shade, text_width};
use super::ticks::{self, Scale};
use crate::scores::{Ladder, Rung, Scores, thousands};

const MARGIN: f64 = 12.0;
/// Right end of the names; left and right end of the scale.
const NAMES: f64 = 178.0;
const LEFT: f64 = 196.0;
const RIGHT: f64 = 560.0;
/// Width of a column of numbers.
const COLUMN: f64 = 68.0;
const WIDTH: f64 = RIGHT + 20.0 + 3.0 * COLUMN;
const HEAD: f64 = 76.0;
const ROW: f64 = 26.0;
const FOOT: f64 = 48.0;

pub fn draw(scores: &Scores) -> Option<Canvas> {
    let ladder = scores.ladders.iter().find(|ladder| !ladder.ladders.is_empty())?;
    let first = in_order(&ladder.ladders[0].rungs);
    let x = Scale::around(ladder.ladders.iter().flat_map(|by| by.rungs.iter().map(|rung| rung.fd)))?;
    let bottom = HEAD + first.len() as f64 * ROW;
    let mut page = Canvas::new(WIDTH, bottom + FOOT);
    let place = |value: f64| LEFT + x.place(value) * (RIGHT - LEFT);

    head(&mut page, ladder);
    // Rungs of every second group lie on a band: within a group either order will do.
    let mut banded = true;
    for (row, rung) in first.iter().enumerate() {
        banded ^= row == 0 || rung.groups[0] != first[row - 1].groups[0];
        if banded {
            page.rect((MARGIN, HEAD + row as f64 * ROW), (WIDTH - 2.0 * MARGIN, ROW), BAND);
        }
    }
    for tick in x.ticks() {
        let at = place(tick);
        page.line((at, HEAD), (at, bottom + 4.0), GRID, THIN);
        page.text(at, bottom + 17.0, &ticks::label(tick), TICK);
    }
    page.line((LEFT, bottom), (RIGHT, bottom), QUIET, 1.0);
    let look = Type { anchor: Anchor::Middle, ..LABEL };
    let axis = if x.log { "Frechet distance, log scale" } else { "Frechet distance" };
    page.text(f64::midpoint(LEFT, RIGHT), bottom + 36.0, axis, look);
    for (row, rung) in first.iter().copied().enumerate() {
        name_and_numbers(&mut page, rung, centre(row) + 4.0);
    }
    for (judge, by) in ladder.ladders.iter().enumerate() {
        let points: Vec<_> =
            in_order(&by.rungs).iter().enumerate().map(|(row, rung)| (place(rung.fd), centre(row))).collect();
        page.polyline(points.clone(), &shade(judge, 0.45), 1.2);
        points.into_iter().for_each(|point| page.dot(point, 4.2, &run_colour(judge)));
    }
    Some(page)
}

/// By group; a rung that belongs to two comes after those of the first alone.
fn in_order(rungs: &[Rung]) -> Vec<&Rung> {
    let mut rungs: Vec<_> = rungs.iter().collect();
    rungs.sort_by_key(|rung| rung.groups);
    rungs
}

fn centre(row: usize) -> f64 {
    HEAD + (row as f64 + 0.5) * ROW
}

/// Title, legend and the heads of the columns.
fn head(page: &mut Canvas, ladder: &Ladder) {
    page.text(MARGIN, 22.0, "Known flaws, from unnoticeable to hopeless", TITLE);
    let (n, of) = (thousands(ladder.n), thousands(ladder.reference.n));
    let name = &ladder.reference.name;
    let text = format!(
        "{n} training images, spoiled as named, against {of} {name}; within a band either order will do"
    );
    page.text(MARGIN, 40.0, &text, LABEL);
    let look = Type { colour: TEXT, size: 11, ..LABEL };
    let mut x = LEFT;
    for (judge, by) in ladder.ladders.iter().enumerate() {
        page.dot((x + 4.0, HEAD - 14.0), 4.2, &run_colour(judge));
        page.text(x + 13.0, HEAD - 10.0, &by.judge.name, look);
        x += 13.0 + text_width(&by.judge.name, 11) + 14.0;
    }
    // In the colour of the judge they are of.
    let look = Type { anchor: Anchor::End, size: 11, colour: &run_colour(0) };
    for (column, text) in ["precision", "recall", "copied"].into_iter().enumerate() {
        page.text(column_end(column), HEAD - 10.0, text, look);
    }
    page.line((MARGIN, HEAD), (WIDTH - MARGIN, HEAD), FAINT, 1.0);
}

fn column_end(column: usize) -> f64 {
    RIGHT + (column + 1) as f64 * COLUMN
}

fn name_and_numbers(page: &mut Canvas, rung: &Rung, y: f64) {
    let look = Type { anchor: Anchor::End, size: LABEL_SIZE, colour: TEXT };
    page.text(NAMES, y, &rung.name, look);
    for (column, value) in [rung.precision, rung.recall, rung.memorised].into_iter().enumerate() {
        page.text(column_end(column), y, &format!("{value:.2}"), Type { colour: QUIET, ..look });
    }
}

#[cfg(test)]
mod tests {
    use super::draw;
    use crate::scores::Scores;
    use crate::scores::tests::{folder, ladder_file};

    #[test]
    fn every_rung_has_its_name_and_a_dot_of_each_judge() {
        let scores = folder(&[("ladder.json", ladder_file())]).unwrap();
        let svg = draw(&scores).unwrap().svg().unwrap();
        for text in ["real", "noise", "mean", "judge-2", "log scale", "2,000 training images", "0.25"] {
            assert!(svg.contains(text), "{text}");
        }
        // Three rungs by two judges, and two in the legend.
        assert_eq!(svg.matches("<circle").count(), 8);
        assert!(draw(&Scores::default()).is_none());
    }
}
