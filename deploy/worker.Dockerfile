# A worker, for CPU and GPU alike: the torch of PyPI carries CUDA and runs without it.
FROM python:3.11-slim

ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
RUN useradd --uid 10001 --create-home g2l && install -d -o g2l -g g2l /var/lib/g2l
WORKDIR /srv/g2l
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY g2l g2l
RUN pip install --no-cache-dir -c constraints.txt -e '.[service,dicom,tracing]'
COPY core core
COPY app app
COPY workers workers
COPY migrations migrations
USER g2l
CMD ["python", "-m", "celery", "-A", "workers.celery_app", "worker", "-Q", "cpu,gpu"]
