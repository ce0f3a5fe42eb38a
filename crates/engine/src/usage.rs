//! `docker system df`: what a worker's own objects take, and the images that it may see.

use crate::objects::Standing;
use crate::seen::Seen;
use serde_json::{Map, Value, json};

/// `/system/df` with only what the worker may see, its sums made anew. The build cache is nobody's.
pub(crate) fn usage(engine: &Map<String, Value>, seen: &Seen<'_>) -> Value {
    let list = |name: &str| engine.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
    let own = |entry: &Value| seen.standing(entry.get("Labels")) == Standing::Own;
    let own_container = |entry: &Value| Standing::of_listed(entry, seen.worker) == Standing::Own;
    let containers: Vec<Value> = list("Containers")
        .into_iter()
        .filter(own_container)
        .filter_map(|entry| seen.listed_container(entry))
        .collect();
    let uses = |image: &Value| {
        let id = image.get("Id");
        containers.iter().filter(|container| id.is_some() && container.get("ImageID") == id).count()
    };
    let images: Vec<Value> = list("Images")
        .into_iter()
        .filter_map(|entry| seen.listed_image(entry))
        .map(|mut image| {
            // Counted by the engine over everybody's containers.
            let count = uses(&image);
            if let Some(image) = image.as_object_mut() {
                image.insert("Containers".into(), json!(count));
            }
            image
        })
        .collect();
    let volumes: Vec<Value> =
        list("Volumes").into_iter().filter(own).filter_map(|entry| seen.listed_volume(entry)).collect();
    let sizes = images.iter().filter_map(|image| image.get("Size")?.as_i64());
    json!({
        "LayersSize": sizes.fold(0_i64, i64::saturating_add),
        "Images": images,
        "Containers": containers,
        "Volumes": volumes,
        "BuildCache": [],
        "BuilderSize": 0,
    })
}
