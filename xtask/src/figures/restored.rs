//! Pictures of restoration: test images degraded to several timesteps, the network's estimate in one evaluation, and the end of
//! the reverse chain. One band per run, one block of three columns per timestep.

use super::canvas::Canvas;
use super::run::Run;
use super::sheet::{self, Band, Block};
use super::tiles::{GAP as TILE_GAP, Tiles};

/// Columns of a timestep: degraded, estimate, restored.
pub const STAGES: usize = 3;
const ROWS: usize = 3;
const GAP: u32 = 8 + TILE_GAP;

pub fn draw(runs: &[Run]) -> Option<Canvas> {
    sheet::page(runs.iter().filter_map(band).collect())
}

fn band(run: &Run) -> Option<Band> {
    let tiles = run.generated("restore.png")?;
    let timesteps = timesteps(&tiles)?;
    let mut blocks = vec![Block::columns("", 0, &tiles, ROWS, &[0])];
    blocks.extend((0..timesteps).map(|timestep| {
        let share = (timestep + 1) as f64 / timesteps as f64;
        let caption = if timestep == 0 { format!("t / T = {share:.2}") } else { format!("{share:.2}") };
        Block::columns(caption, GAP, &tiles, ROWS, &stages(timestep))
    }));
    let text =
        "test image; then for each t: degraded, the network's estimate in one evaluation, the reverse chain";
    Some(Band { title: run.title.clone(), text: text.into(), blocks })
}

/// The columns of a timestep.
pub fn stages(timestep: usize) -> Vec<usize> {
    (1 + timestep * STAGES..).take(STAGES).collect()
}

/// Number of timesteps in a grid of restorations; `None` for a grid of another layout.
pub fn timesteps(tiles: &Tiles) -> Option<usize> {
    let columns = tiles.columns - 1;
    (columns > 0 && columns.is_multiple_of(STAGES)).then_some(columns / STAGES)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figures::run::tests::run;
    use crate::figures::tiles::tests::write_grid;

    #[test]
    fn every_timestep_has_its_block() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("generated")).unwrap();
        let run = run("Ink", dir.path());
        let path = dir.path().join("generated/restore.png");
        write_grid(&path, 4, 19);
        let svg = draw(std::slice::from_ref(&run)).unwrap().svg().unwrap();
        assert_eq!(svg.matches("<image").count(), 7);
        assert!(svg.contains("t / T = 0.17") && svg.contains(">1.00<"), "{svg}");
        write_grid(&path, 4, 18);
        assert!(draw(&[run]).is_none());
    }
}
