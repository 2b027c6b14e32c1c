# The API and the operators' commands: no torch, no embedded engines.
FROM python:3.11-slim

ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
RUN useradd --uid 10001 --create-home g2l && install -d -o g2l -g g2l /var/lib/g2l
WORKDIR /srv/g2l
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY g2l g2l
# What the extra `service` lists, but for g2l[nn] and the engines; a test holds the two together.
RUN pip install --no-cache-dir -c constraints.txt -e '.[data,dicom,tracing]' \
    fastapi 'uvicorn[standard]' python-multipart pydantic pydantic-settings 'celery[redis]' redis \
    sqlalchemy 'psycopg[binary]' alembic prometheus-client structlog obstore setproctitle
COPY core core
COPY app app
COPY migrations migrations
USER g2l
EXPOSE 8000
ENV G2L_HOST=0.0.0.0
CMD ["python", "-m", "app.commands.api"]
