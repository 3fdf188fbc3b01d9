"""What locust does in ``trial.py``: send a picture again and again, and look at the answer.

SERVE_PHOTO is the picture, SERVE_STATUSES says which statuses are no failure, SERVE_AREA which area
has to come out.
"""

from __future__ import annotations

import os
from pathlib import Path

from locust import HttpUser, constant, task

STATUSES = {int(it) for it in os.environ.get("SERVE_STATUSES", "200").split(",")}
AREA = os.environ.get("SERVE_AREA")
PHOTO = Path(os.environ["SERVE_PHOTO"]).read_bytes()


class Client(HttpUser):
    """Asks again as soon as it has its answer; a little later where the server is busy."""

    wait_time = constant(0)

    @task
    def segment(self):
        with self.client.post(
            "/v1/segment",
            data=PHOTO,
            headers={"content-type": "image/jpeg"},
            catch_response=True,
        ) as answer:
            if answer.status_code not in STATUSES:
                answer.failure(f"status {answer.status_code}: {answer.text[:200]}")
            elif answer.status_code == 200 and AREA:
                found = answer.json()["area_pixels"]
                if found != int(AREA):
                    answer.failure(f"an area of {found}, not {AREA}")
                else:
                    answer.success()
            else:
                answer.success()
