"""Make some pictures, put them into uploads/, and say so; one of the files is no picture at all."""

from pathlib import Path

from PIL import Image

from app import Uploaded, app

COUNT = 8
FOLDER = Path("uploads")

FOLDER.mkdir(exist_ok=True)
with app:
    for number in range(1, COUNT + 1):
        path = FOLDER / f"picture-{number}.png"
        Image.radial_gradient("L").resize((640, 480)).convert("RGB").rotate(number * 10).save(path)
        app.publish(Uploaded(path=str(path)))
    broken = FOLDER / "broken.png"
    broken.write_bytes(b"GIF? no.")
    app.publish(Uploaded(path=str(broken)))
    print(f"{COUNT} pictures and 1 broken file uploaded")
