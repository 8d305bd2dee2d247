"""Upload -> resize -> watermark: each step is an event, and each reaction a group of its own."""

from pathlib import Path

from PIL import Image, ImageDraw, UnidentifiedImageError

from postroad import App, DeadLetter, Event

app = App("sqlite:///thumbnails.db")
WIDTHS = (64, 160, 320)


class Uploaded(Event, type="picture.uploaded", key="path"):
    path: str


class Resized(Event, type="picture.resized", key="path"):
    path: str
    width: int


def save(picture: Image.Image, path: Path) -> None:
    """Under another name first: a reader, or a second run, never finds half a file."""
    path.parent.mkdir(exist_ok=True)
    half = path.with_suffix(".half")
    picture.save(half, "PNG")
    half.replace(path)


@app.subscribe(Uploaded, group="resizer", on_error={UnidentifiedImageError: DeadLetter("this is no picture")})
def resize(uploaded: Uploaded) -> None:
    source = Path(uploaded.path)
    with Image.open(source) as picture:
        for width in WIDTHS:
            small = picture.resize((width, picture.height * width // picture.width))
            target = Path("resized", f"{source.stem}-{width}.png")
            save(small, target)
            app.publish(Resized(path=str(target), width=width))


@app.subscribe(Resized, group="watermark")
def watermark(resized: Resized) -> None:
    with Image.open(resized.path) as picture:
        marked = picture.convert("RGB")
    ImageDraw.Draw(marked).text((4, marked.height - 14), "postroad", fill="white")
    save(marked, Path("done", Path(resized.path).name))
