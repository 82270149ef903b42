//! Run folders in every state, and what is decided for each.

use super::*;

/// A folder in a temporary place with a config beside it.
struct Fixture {
    dir: tempfile::TempDir,
    job: Job,
}

impl Fixture {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("a")).unwrap();
        std::fs::create_dir(dir.path().join("logs")).unwrap();
        let config = dir.path().join("config.toml");
        std::fs::write(&config, "seed = 1\n[train]\nepochs = 5\n").unwrap();
        let sample = Sample { n: 4, nfe: None, seed: 1, restored: 4, measure: None };
        let (name, title, loss) = ("a".to_owned(), "A".to_owned(), "error".to_owned());
        let job = Job { name, title, loss, config, set: vec!["train.epochs=2".into()], sample };
        Self { dir, job }
    }

    fn place(&self) -> Place {
        Place::of(self.dir.path(), &self.job.name)
    }

    fn run(&self) -> PathBuf {
        self.place().run
    }

    fn stamped(self) -> Self {
        Stamp::of(&self.job).unwrap().write(&self.place()).unwrap();
        self
    }

    fn with(self, name: &str, text: &str) -> Self {
        std::fs::write(self.run().join(name), text).unwrap();
        self
    }

    fn manifest(self, status: &str) -> Self {
        let text = format!(
            r#"{{"schema":1,"status":"{status}","parameters":9,"steps_total":10,"steps_done":5,"epochs":2,"wall_s":1.5}}"#
        );
        self.with(MANIFEST, &text)
    }

    fn decide(&self) -> Result<Training> {
        training(&self.place(), &Stamp::of(&self.job).unwrap())
    }
}

#[test]
fn an_empty_folder_is_started_whatever_was_there_once() {
    assert_eq!(Fixture::new().decide().unwrap(), Training::Start);
    let mut deleted_by_hand = Fixture::new().stamped();
    deleted_by_hand.job.set.clear();
    std::fs::remove_dir(deleted_by_hand.run()).unwrap();
    assert_eq!(deleted_by_hand.decide().unwrap(), Training::Start);
}

#[test]
fn complete_is_skipped_and_running_is_resumed() {
    assert_eq!(Fixture::new().stamped().manifest("complete").decide().unwrap(), Training::Skip);
    let cut = Fixture::new().stamped().manifest("running").with(CHECKPOINT, "x");
    assert_eq!(cut.decide().unwrap(), Training::Resume);
}

#[test]
fn a_run_interrupted_before_its_first_checkpoint_starts_again() {
    assert_eq!(Fixture::new().stamped().with("config.toml", "").decide().unwrap(), Training::Start);
    assert_eq!(Fixture::new().stamped().manifest("running").decide().unwrap(), Training::Start);
    // A deletion cut short: the manifest went first.
    assert_eq!(Fixture::new().stamped().with(CHECKPOINT, "x").decide().unwrap(), Training::Start);
}

#[test]
fn a_changed_config_is_refused_with_the_key_that_changed() {
    let fixture = Fixture::new().stamped().manifest("complete");
    std::fs::write(&fixture.job.config, "# a comment is no change\nseed = 1\n[train]\nepochs = 5\n").unwrap();
    assert_eq!(fixture.decide().unwrap(), Training::Skip);
    std::fs::write(&fixture.job.config, "seed = 1\n[train]\nepochs = 6\n").unwrap();
    let error = fixture.decide().unwrap_err().to_string();
    assert!(error.contains("train.epochs was 5, is 6") && error.contains("--clean"), "{error}");
    std::fs::write(&fixture.job.config, "[train]\nepochs = 5\n").unwrap();
    assert!(fixture.decide().unwrap_err().to_string().contains("seed was 1, is absent"));
}

#[test]
fn changed_overrides_are_refused() {
    let mut fixture = Fixture::new().stamped().manifest("complete");
    fixture.job.set = vec!["train.epochs=3".into()];
    let error = fixture.decide().unwrap_err().to_string();
    assert!(error.contains("--set was [train.epochs=2], is [train.epochs=3]"), "{error}");
}

#[test]
fn a_folder_of_other_files_is_refused() {
    let error = Fixture::new().with("thesis.txt", "precious").decide().unwrap_err().to_string();
    assert!(error.contains("not made by this sweep"), "{error}");
    assert!(Fixture::new().manifest("complete").decide().is_err());
}

#[test]
fn clearing_deletes_all_but_not_under_a_training_process() {
    let fixture = Fixture::new().stamped().manifest("complete").with(LOCK, "");
    std::fs::create_dir(fixture.run().join("samples")).unwrap();
    std::fs::write(fixture.run().join("samples/epoch-0001.png"), "12345").unwrap();
    assert_eq!(weigh(&fixture.run()).unwrap().0, 3);
    let lock = std::fs::File::open(fixture.run().join(LOCK)).unwrap();
    lock.lock().unwrap();
    assert!(clear(&fixture.place()).unwrap_err().to_string().contains("another process"));
    assert_eq!(fixture.decide().unwrap(), Training::Skip);
    drop(lock);
    clear(&fixture.place()).unwrap();
    assert!(!fixture.run().exists());
    clear(&fixture.place()).unwrap();
    assert_eq!(weigh(&fixture.run()).unwrap(), (0, 0));
}

#[test]
fn images_count_only_when_all_are_there_and_sampled_with_the_same_settings() {
    let fixture = Fixture::new();
    let (run, sample) = (fixture.run(), fixture.job.sample.clone());
    let part = open_generated(&run).unwrap();
    std::fs::write(part.join("grid.png"), "x").unwrap();
    assert!(!is_sampled(&run, &sample), "cut off before it was closed");
    open_generated(&run).unwrap();
    close_generated(&run, &sample).unwrap();
    assert!(is_sampled(&run, &sample));
    assert!(!is_sampled(&run, &Sample { n: 5, ..sample.clone() }));
    drop_generated(&run).unwrap();
    assert!(!is_sampled(&run, &sample));
}
