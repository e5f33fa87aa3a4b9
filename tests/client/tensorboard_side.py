"""What TensorBoard's own reader finds in a folder, as JSON: run by the Python of test_tensorboard.py.

    tensorboard_side.py FOLDER
"""
import json
import sys

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

events = EventAccumulator(sys.argv[1], size_guidance={"scalars": 0, "histograms": 0, "images": 0})
events.Reload()
tags = events.Tags()
found = {"scalars": {}, "histograms": {}, "images": {}, "start": events.FirstEventTimestamp()}
for tag in tags["scalars"]:
    found["scalars"][tag] = [[e.step, e.value, e.wall_time] for e in events.Scalars(tag)]
for tag in tags["histograms"]:
    found["histograms"][tag] = [
        dict(step=e.step, min=h.min, max=h.max, num=h.num, sum=h.sum, squares=h.sum_squares, limits=list(h.bucket_limit),
             counts=list(h.bucket)) for e in events.Histograms(tag) for h in [e.histogram_value]]
for tag in tags["images"]:
    found["images"][tag] = [dict(step=e.step, width=e.width, height=e.height, png=e.encoded_image_string.hex())
                            for e in events.Images(tag)]
json.dump(found, sys.stdout)
