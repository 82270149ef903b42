//! Configs of schema 1: upgrading their keys and values to the current names.
//!
//! Schema 1 is the format of model files, run folders and configs from before configs stated the shape of images.
//! [`upgrade`] takes a config of a diffusion model or of a classifier, in either schema, and returns it in the current one.

#![warn(clippy::indexing_slicing)]

use toml::{Table, Value};

/// Keys that have been renamed: table, old key, new key. `fade` and `snow` stand for the table `degradation` of this kind.
const RENAMED_KEYS: [(&str, &str, &str); 17] = [
    ("data", "dir", "path"),
    ("network", "time", "time_embed_dim"),
    ("network", "classes", "num_classes"),
    ("degradation", "steps", "timesteps"),
    ("objective", "prediction", "parameterization"),
    ("objective", "last_level", "include_last_timestep"),
    ("objective", "levels", "timestep_sampler"),
    ("optimizer", "clip", "grad_clip_norm"),
    ("optimizer", "decay", "lr_schedule"),
    ("training", "batch", "batch_size"),
    ("training", "images", "max_images"),
    ("training", "grid", "sample_count"),
    ("training", "grid_steps", "sample_nfe"),
    ("training", "shift", "max_shift"),
    ("sampling", "steps", "nfe"),
    ("fade", "sigma_max", "radius"),
    ("snow", "drift", "streak"),
];

/// Values that have been renamed: table, key (by its new name), old value, new value.
const RENAMED_VALUES: [(&str, &str, &str, &str); 10] = [
    ("objective", "parameterization", "conserving", "softmax"),
    ("objective", "parameterization", "free", "softplus"),
    ("objective", "parameterization", "logistic", "sigmoid"),
    ("sampling", "sampler", "bridge", "ancestral"),
    ("sampling", "sampler", "bridge_2m", "ancestral_2m"),
    ("sampling", "sampler", "prince", "ddpm_notebook"),
    ("sampling", "sampler", "dpmpp2m", "dpmpp_2m"),
    ("sampling", "spacing", "even", "uniform"),
    ("sampling", "spacing", "middle", "cosine"),
    ("sampling", "spacing", "early", "power:1.5"),
];

/// Lengths that schema 1 gives in pixels of an image with a side of 28 pixels, and the current schema as multiples of the
/// side: kind of degradation, key (by its new name).
const RELATIVE_LENGTHS: [(&str, &str); 3] = [("fade", "radius"), ("snow", "streak"), ("stir", "amplitude")];

/// Side, channels and number of classes of all images of schema 1.
const SIDE: i64 = 28;
const CHANNELS: i64 = 1;
const CLASSES: i64 = 10;

/// Returns `config`, of a model, a run or a classifier, in the current schema. A config of the current schema is returned
/// unchanged.
///
/// Values of the wrong type and unknown keys are left unchanged; parsing the config reports them.
pub fn upgrade(mut config: Table) -> Table {
    if !is_schema_1(&config) {
        return config;
    }
    if let Some(classifier) = config.remove("judge") {
        config.insert("classifier".to_owned(), classifier);
    }
    let kind = text(&config, "degradation", "kind").unwrap_or_default();
    // This comes before the samplers are renamed, because `ancestral` was the name of another sampler in schema 1.
    if text(&config, "sampling", "sampler").as_deref() == Some("ancestral") {
        set(&mut config, "sampling", "variance", Value::String("beta".to_owned()));
    }
    for (table, old, new) in RENAMED_KEYS {
        let table = match table {
            "fade" | "snow" if table != kind => continue,
            "fade" | "snow" => "degradation",
            table => table,
        };
        if let Some(value) = section(&mut config, table).and_then(|table| table.remove(old)) {
            set(&mut config, table, new, value);
        }
    }
    for (table, key, old, new) in RENAMED_VALUES {
        if text(&config, table, key).as_deref() == Some(old) {
            set(&mut config, table, key, Value::String(new.to_owned()));
        }
    }
    for (_, key) in RELATIVE_LENGTHS.into_iter().filter(|(of, _)| *of == kind) {
        if let Some(pixels) = section(&mut config, "degradation").and_then(|table| number(table.get(key)?)) {
            set(&mut config, "degradation", key, Value::Float(pixels / SIDE as f64));
        }
    }
    upgrade_attention(&mut config);
    let image = [("channels", CHANNELS), ("height", SIDE), ("width", SIDE)];
    let image = image.map(|(key, value)| (key.to_owned(), Value::Integer(value)));
    config.insert("image".to_owned(), Value::Table(image.into_iter().collect()));
    config.insert("num_classes".to_owned(), Value::Integer(CLASSES));
    config
}

/// Whether `config` is of schema 1: it has a key that only schema 1 has, among those that a config of a diffusion model or a
/// classifier must have.
fn is_schema_1(config: &Table) -> bool {
    let has = |table: &str, key: &str| {
        config.get(table).and_then(Value::as_table).is_some_and(|table| table.contains_key(key))
    };
    config.contains_key("judge") || has("sampling", "steps") || has("objective", "prediction")
}

/// Replaces `attention = true`, which meant attention at the lowest level, by a list of levels.
fn upgrade_attention(config: &mut Table) {
    let Some(network) = section(config, "network") else { return };
    let Some(attention) = network.get("attention").and_then(Value::as_bool) else { return };
    let levels = network.get("channels").and_then(Value::as_array).map_or(3, Vec::len);
    let lowest = levels.saturating_sub(1).cast_signed() as i64;
    let list = if attention { vec![Value::Integer(lowest)] } else { Vec::new() };
    network.insert("attention".to_owned(), Value::Array(list));
}

/// The table `name` of `config`.
fn section<'a>(config: &'a mut Table, name: &str) -> Option<&'a mut Table> {
    config.get_mut(name).and_then(Value::as_table_mut)
}

/// The string at `table.key`.
fn text(config: &Table, table: &str, key: &str) -> Option<String> {
    config.get(table)?.as_table()?.get(key)?.as_str().map(str::to_owned)
}

/// A float, or an integer as one.
fn number(value: &Value) -> Option<f64> {
    value.as_float().or_else(|| value.as_integer().map(|value| value as f64))
}

/// Sets `table.key` where the table exists.
fn set(config: &mut Table, table: &str, key: &str, value: Value) {
    if let Some(table) = section(config, table) {
        table.insert(key.to_owned(), value);
    }
}
