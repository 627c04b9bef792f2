# The dashboard on a server. Build: docker build -t htcore . Run, read-only:
#   docker run --rm --read-only --tmpfs /tmp -p 127.0.0.1:8501:8501 htcore
FROM python:3.11-slim
RUN useradd --create-home --uid 10001 app
WORKDIR /app
COPY requirements.txt .
RUN pip install --no-cache-dir -r requirements.txt
COPY app.py pyproject.toml ./
COPY .streamlit .streamlit
COPY htcore htcore
COPY models models
COPY pages pages
ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 HOME=/tmp MPLCONFIGDIR=/tmp NUMBA_CACHE_DIR=/tmp
USER app
EXPOSE 8501
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
  CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8501/_stcore/health', timeout=4)"]
CMD ["python", "-m", "htcore", "serve", "--host", "0.0.0.0"]
